"""How long may a student function run? A wall-clock limit."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from types import FrameType

from autograder.student.outcome import Stop

__all__ = ["OutOfTime", "remaining", "time_limit"]

_end: ContextVar[float] = ContextVar("end", default=math.inf)


class OutOfTime(Stop):
    """Raised inside code that ran too long. Not an ``Exception``, so ``except Exception`` lets it by."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the body after ``seconds`` of wall time.

    Uses SIGALRM, which only exists on Unix and only in the main thread: elsewhere an endless loop is
    ended with the notebook's stop button. Who waits for a function in another process asks
    :func:`remaining` and needs no signal.
    """
    token = _end.set(min(_end.get(), time.monotonic() + seconds))
    try:
        with _alarm(seconds):
            yield
    finally:
        _end.reset(token)


def remaining() -> float:
    """Return the seconds that are left of the limit we are in; infinite if there is none."""
    return _end.get() - time.monotonic()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not (hasattr(signal, "setitimer") and on_main_thread):
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    # Rings again every second, in case a broad `except:` of the student's swallowed the first ring.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
