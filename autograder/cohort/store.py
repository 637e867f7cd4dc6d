"""What has been done already? Results by the address of their work, kept in the course's ``.autograder``.

Files appear whole or not at all, whenever the machine is switched off; a damaged one counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

from autograder.examiner.grade import NotebookGrade


class Store:
    """The results of a course, and a record of which of them the gradebook has."""

    def __init__(self, course: Path) -> None:
        self._results = course / ".autograder" / "results"
        self._written = course / ".autograder" / "written"

    def get(self, address: str) -> NotebookGrade | None:
        """Return the result of work that was done before."""
        try:
            return NotebookGrade.from_dict(
                json.loads(self._result(address).read_text(encoding="utf-8"))
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def put(self, address: str, done: NotebookGrade) -> None:
        """Keep a result."""
        replace_file(self._result(address), json.dumps(done.to_dict()))

    def note_written(self, student: str, assignment: str, address: str, notebook: Path) -> None:
        """Note that gradebook and autograded notebook have the result of this address."""
        record = {"address": address, "notebook": file_digest(notebook)}
        replace_file(self._written / assignment / f"{student}.json", json.dumps(record))

    def is_written(self, student: str, assignment: str, address: str, notebook: Path) -> bool:
        """Tell whether that was noted, and the autograded notebook is still the one it was then."""
        try:
            path = self._written / assignment / f"{student}.json"
            record = json.loads(path.read_text(encoding="utf-8"))
            return bool(record == {"address": address, "notebook": file_digest(notebook)})
        except (OSError, ValueError):
            return False

    def _result(self, address: str) -> Path:
        return self._results / address[:2] / f"{address}.json"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def replace_file(path: Path, text: str) -> None:
    """Write a file such that it has its old content or the new one at any moment.

    Raises
    ------
    OSError
        If there is no room; the old content is kept then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
