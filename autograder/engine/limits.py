"""How long may a student function run? A limit on wall time, or on another clock where its process is not this one."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType

__all__ = ["PATIENCE", "MachineTooBusy", "OutOfTime", "measured_by", "remaining", "time_limit"]

PATIENCE = 5  # times a limit: the wall time after which a machine is called too busy

_end: ContextVar[float] = ContextVar("end", default=math.inf)
_clock: ContextVar[Callable[[], float]] = ContextVar("clock", default=time.monotonic)


class OutOfTime(BaseException):
    """Raised inside code that ran too long. Not an ``Exception``, so ``except Exception`` lets it by."""


class MachineTooBusy(BaseException):
    """Raised when far more wall time than a limit went by, and the student's process had little of it."""


@contextlib.contextmanager
def measured_by(clock: Callable[[], float]) -> Iterator[None]:
    """Let limits in the body count the seconds of ``clock``: those that the student's process used.

    What this process computes in between is not counted then.
    """
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the body after ``seconds`` of wall time.

    Uses SIGALRM, which only exists on Unix and only in the main thread: elsewhere an endless loop is
    ended with the notebook's stop button. Who waits for a function in another process asks
    :func:`remaining`. Inside :func:`measured_by` the signal only comes after :data:`PATIENCE` times the
    limit, and raises :class:`MachineTooBusy`.
    """
    clock = _clock.get()
    token = _end.set(min(_end.get(), clock() + seconds))
    here = clock is time.monotonic
    try:
        with _alarm(seconds, OutOfTime) if here else _alarm(PATIENCE * seconds, MachineTooBusy):
            yield
    finally:
        _end.reset(token)


def remaining() -> float:
    """Return the seconds that are left of the limit we are in; infinite if there is none."""
    return _end.get() - _clock.get()()


@contextlib.contextmanager
def _alarm(seconds: float, error: type[BaseException]) -> Iterator[None]:
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not (hasattr(signal, "setitimer") and on_main_thread):
        yield
        return

    def ring(signum: int, frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, ring)
    # Rings again every second, in case a broad `except:` of the student's swallowed the first ring.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
