"""Where do hidden cases come from? From a secret of the course, the assignment and the student.

Hidden cases are drawn from ``HMAC-SHA256(HMAC-SHA256(secret, student), assignment)``: each student has their own,
a regrade gives the same ones, and nothing that is released or published tells what they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

SECRET = "AUTOGRADER_SECRET"
STUDENT = "AUTOGRADER_STUDENT"
FILE_NAME = ".autograder-secret"


_key: ContextVar[str | None] = ContextVar("key", default=None)


def student_key(secret: str, student: str) -> str:
    """Return what a student's hidden cases are drawn from: whoever has it knows theirs, and no other's."""
    return hmac.digest(secret.encode(), student.encode(), hashlib.sha256).hex()


@contextlib.contextmanager
def hidden_cases(key: str) -> Iterator[None]:
    """Have the hidden cases of one student drawn in the body, by their key; unrepeatable ones if empty."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def hidden_seed(assignment: str, student: str | None = None) -> int:
    """Return the seed of one student's hidden cases, an integer below 2**63.

    Parameters
    ----------
    assignment:
        Name of the assignment.
    student:
        The student's id; None means the one of :func:`hidden_cases`, or else of the environment variable
        ``AUTOGRADER_STUDENT``.

    Notes
    -----
    Outside of :func:`hidden_cases` the secret is the environment variable ``AUTOGRADER_SECRET``. Without
    one the seed is drawn anew each time: the cases are still unpredictable, only a regrade draws others.
    """
    key = _key.get() if student is None else None
    if key is None and (secret := os.environ.get(SECRET)):
        key = student_key(secret, os.environ.get(STUDENT, "") if student is None else student)
    if not key:
        return secrets.randbits(63)
    digest = hmac.digest(key.encode(), assignment.encode(), hashlib.sha256)
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
