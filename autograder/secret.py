"""Where do hidden cases come from? From a secret of the course, the assignment and the student.

Hidden cases are drawn from ``HMAC-SHA256(secret, assignment, student)``: each student has their own,
a regrade gives the same ones, and nothing that is released or published tells what they are.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

SECRET = "AUTOGRADER_SECRET"
STUDENT = "AUTOGRADER_STUDENT"
FILE_NAME = ".autograder-secret"


def hidden_seed(assignment: str, student: str | None = None) -> int:
    """Return the seed of one student's hidden cases, an integer below 2**63.

    Parameters
    ----------
    assignment:
        Name of the assignment.
    student:
        The student's id; None means the environment variable ``AUTOGRADER_STUDENT``.

    Notes
    -----
    The secret is the environment variable ``AUTOGRADER_SECRET``. Without one the seed is drawn
    anew each time: the cases are still unpredictable, only a regrade draws others.
    """
    secret = os.environ.get(SECRET)
    if not secret:
        return secrets.randbits(63)
    who = os.environ.get(STUDENT, "") if student is None else student
    digest = hmac.digest(secret.encode(), f"{assignment}\0{who}".encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") >> 1


def course_secret(course: Path) -> str:
    """Return the secret of the course in directory ``course``, making one on first use.

    It is kept in the file ``.autograder-secret`` there, readable by its owner only. Whoever has the
    file can predict hidden cases; whoever loses it gets other hidden cases at the next regrade.
    """
    path = course / FILE_NAME
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        secret = secrets.token_hex(32)
        file.write(secret + "\n")
    return secret
