"""What happened when a student function was called? Its exception, what it printed, the random state it left."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder.student.messages import _

GLOBAL_SEED = 20140615
NOT_THE_STUDENTS = f"{Path(__file__).parents[1]}{os.sep}"
MAX_LINES = 3
MAX_TEXT = 240


@dataclass(frozen=True)
class Raised:
    """An exception that a student function raised: two are alike when their types are.

    An empty ``type`` stands for a result of the wrong kind, which ``message`` describes. ``bases`` are the
    names of the type's base classes, the nearest first, without ``object``.
    """

    type: str
    message: str
    where: str = ""
    bases: tuple[str, ...] = ()

    def __str__(self) -> str:
        return shorten(": ".join(part for part in (self.type, self.message) if part))


class WrongReturn(Exception):
    """A student function returned something of another kind than its docstring says."""


class Captured(io.StringIO):
    """Text that the student's functions printed, kept up to ``limit`` characters."""

    limit = 2000

    def write(self, text: str) -> int:
        super().write(text[: max(0, self.limit - self.tell())])
        return len(text)

    def taken(self) -> str:
        """Return the text, and forget it."""
        text = self.getvalue()
        if text:
            self.seek(0)
            self.truncate()
        return text


def raised(error: BaseException) -> Raised:
    """Describe an exception and the line of the student's code that it came from."""
    if isinstance(error, WrongReturn):
        return Raised("", str(error))
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(NOT_THE_STUDENTS)
        and "site-packages" not in frame.f_code.co_filename
    ]
    where = str(getattr(error, "where", ""))  # known already if it comes from another process
    if own and not where:
        filename, number = own[-1]
        line = linecache.getline(filename, number).strip()
        where = _("line {n}: {line}").format(n=number, line=line)
    try:
        message = str(error)
    except Exception:
        message = ""
    bases = getattr(error, "bases", None)  # likewise
    if not isinstance(bases, tuple):
        bases = tuple(base.__name__ for base in type(error).__mro__[1:-1])
    return Raised(type(error).__name__, message, where, bases)


@contextlib.contextmanager
def quiet(printed: Captured) -> Iterator[None]:
    """Collect standard output, standard error and warnings in ``printed``.

    Not ResourceWarning, which comes when garbage is collected, whoever left it.
    """

    def note(message: Warning | str, category: type[Warning], *_where: Any, **_file: Any) -> None:
        printed.write(f"{category.__name__}: {message}\n")

    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.showwarning = note
        yield


@contextlib.contextmanager
def kept_global_random_state() -> Iterator[None]:
    """Put ``numpy.random``'s global state back afterwards."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)


def shorten(text: str) -> str:
    """Cut ``text`` to ``MAX_LINES`` lines and ``MAX_TEXT`` characters, with an ellipsis."""
    lines = text.splitlines() or [""]
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], "..."]
    text = "\n".join(lines)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
