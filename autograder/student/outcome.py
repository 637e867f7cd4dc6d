"""What happened when a student function was called? Its exception, what it printed, the random state it left."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import signal
import threading
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from autograder.student.messages import _
from autograder.student.plain import name_of

GLOBAL_SEED = 20140615
NOT_THE_STUDENTS = f"{Path(__file__).parents[1]}{os.sep}"
MAX_LINES = 3
MAX_TEXT = 240
MAX_MESSAGE = 2000  # characters of an exception's message
MAX_WHERE = 500
MAX_BASES = 20


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


class Carried(Exception):
    """Stands for an exception that a student function raised, on this side of a call by value."""

    raised: Raised


class Stop(BaseException):
    """Ends whatever student code is running. Never the student's own: nothing of it is reported."""


class Interrupted(Stop, KeyboardInterrupt):
    """The stop button was pressed, or the examiner's time is up."""


class Captured(io.StringIO):
    """Text that the student's functions printed, kept up to ``limit`` characters."""

    limit = 2000

    def write(self, text: str) -> int:
        super().write(printable(text[: max(0, self.limit - self.tell())]))
        return len(text)

    def taken(self) -> str:
        """Return the text, and forget it."""
        text = self.getvalue()
        if text:
            self.seek(0)
            self.truncate()
        return text


def raised(error: BaseException) -> Raised:
    """Describe an exception that came out of an observation."""
    if isinstance(error, Carried):
        return error.raised
    if isinstance(error, WrongReturn):
        return Raised("", str(error))
    return described(error)


def described(error: BaseException) -> Raised:
    """Describe an exception of a student's function, and the line of the student's code that it came from.

    Whatever its class does: names and bases are read by the methods of ``type``.
    """
    name, *bases = (_safe(name_of(kind)) for kind in _mro(type(error))[: MAX_BASES + 1])
    try:
        message = str.__str__(str(error))[:MAX_MESSAGE]
    except Stop:
        raise
    except BaseException:
        message = ""
    return Raised(
        name, printable(message), _where(error), tuple(base for base in bases if base != "object")
    )


_mro: Any = type.__dict__["__mro__"].__get__
_traceback: Any = BaseException.__dict__["__traceback__"].__get__


def _safe(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else "Exception"


def _where(error: BaseException) -> str:
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(_traceback(error))
        if not frame.f_code.co_filename.startswith(NOT_THE_STUDENTS)
        and "site-packages" not in frame.f_code.co_filename
    ]
    if not own:
        return ""
    filename, number = own[-1]
    line = linecache.getline(filename, number).strip()
    return printable(_("line {n}: {line}").format(n=number, line=line)[:MAX_WHERE])


def printable(text: str) -> str:
    """Return a text that can be encoded: half of a surrogate pair becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise :class:`Interrupted` in the body when the process is interrupted.

    A ``KeyboardInterrupt`` that a student's function raises by itself is told from it.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Interrupted

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
