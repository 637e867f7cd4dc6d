"""How does the examiner call a function that lives in the student's process?

A :class:`RemoteFunction` looks like the function: arguments go over by value, results and exceptions come
back, and what the function did to its arguments (arrays changed in place, a generator advanced) is done
to the caller's as well. Checks cannot tell the difference.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

from autograder.engine.declare import Functions
from autograder.engine.limits import (
    PATIENCE,
    MachineTooBusy,
    OutOfTime,
    measured_by,
    remaining,
)
from autograder.engine.messages import _
from autograder.engine.replies import Reply, take
from autograder.examiner import shared
from autograder.examiner.kernel import BEGIN_SECONDS, DEATH_SECONDS, Ending, Kernel, require_time
from autograder.examiner.meter import TICK, Meter
from autograder.student import wire
from autograder.student.outcome import GLOBAL_SEED, kept_global_random_state
from autograder.student.plain import Opaque
from autograder.student.server import CHUNK, HEADER, GlobalState, framed, unframed

LARGE = 1_000_000  # bytes; arrays of this size are sent once per channel
ACCEPT_SECONDS = 5.0  # an idle kernel connects within milliseconds
LOOK_AGAIN = 0.05
MAX_REPLY = 32_000_000  # bytes of one reply, and of its part that is not arrays
MAX_REPLY_TEXT = 2_000_000
MAX_REPLIES = 128_000_000  # likewise of all replies on one channel
MAX_REPLIES_TEXT = 10_000_000

Seen = TypeVar("Seen")

with kept_global_random_state():
    SEEDED = GlobalState.seeded(GLOBAL_SEED)


class KernelDied(Exception):
    """The student's process ended, or closed the channel, while a function was called."""


class Channel:
    """A connection to the student's process, for one test cell."""

    def __init__(
        self,
        connection: socket.socket,
        alive: Callable[[], bool],
        seconds: float,
        meter: Meter,
    ) -> None:
        self._connection, self._alive, self._seconds = connection, alive, seconds
        self._meter = meter
        self._room, self._text_room = MAX_REPLIES, MAX_REPLIES_TEXT
        self._stored: dict[int, tuple[Any, Opaque]] = {}
        self._state: GlobalState | None = None  # that NumPy has here and over there
        self._received = bytearray()
        self._requests: deque[bytes] = deque()  # those that were not sent yet
        self._unanswered = 0  # number of those that were
        self._gathering = False
        self.broken = False
        self.hung_up = False  # the other side closed the connection, or is gone

    def request(self, function: str, arguments: list[Any], keywords: dict[str, Any]) -> Reply:
        """Have a function called and return the decoded reply.

        Raises
        ------
        KernelDied
            If no reply comes, or one that is not a message. The channel is of no use afterwards.
        RuntimeError
            If an observation that :meth:`ahead` makes calls more than once.
        """
        self._require_whole()
        if (self._requests or self._unanswered) and not self._gathering:
            raise RuntimeError("an observation that is marked `one_call` makes another call")
        self._requests.append(
            framed(wire.dumps([function, arguments, keywords, self._our_state()]))
        )
        if self._gathering:
            getcurrent().parent.switch()  # to `ahead`, which gathers the requests of others
            self._require_whole()
            if not SEEDED.is_current():
                np.random.seed(GLOBAL_SEED)  # as when this observation began
        self.broken = True  # until a whole reply was read: a limit may interrupt us anywhere
        try:
            self._send()
            reply = self._reply()
        except (OSError, wire.WireError) as error:
            raise KernelDied(_("the kernel died or sent nonsense")) from error
        if reply.state is not None:
            np.random.set_state(reply.state)
            self._state = GlobalState(reply.state)
        self.broken = False
        return reply

    def taken(self, reply: Reply, arguments: tuple[Any, ...]) -> Any:
        """Return or raise what a reply says; see :func:`.replies.take`.

        Raises
        ------
        KernelDied
            If its effects are impossible ones.
        """
        try:
            return take(reply, arguments)
        except wire.WireError as error:
            raise KernelDied(_("the kernel died or sent nonsense")) from error

    def _our_state(self) -> Any:
        """Return what a request says of the state of NumPy's global generator; None if it is known there."""
        if SEEDED.is_current():  # as at the beginning of each observation
            self._state = SEEDED
            return GLOBAL_SEED
        if self._state is not None and self._state.is_current():
            return None
        self._state = GlobalState()
        return self._state.state

    def ahead(self, observations: Sequence[Callable[[], Seen]]) -> Iterator[Seen]:
        """Make observations of one call each; send the requests of many before the first reply is awaited.

        Each observation runs up to its call, where it is suspended (it is a greenlet) until its reply is next.
        """
        begun = []
        try:
            self._gathering = True
            for observation in observations:
                suspended = greenlet(observation)
                suspended.gr_context = copy_context()
                begun.append((suspended, suspended.switch()))
            self._gathering = False
            for suspended, seen in begun:
                yield seen if suspended.dead else suspended.switch()
        finally:
            self._gathering = False
            self.broken |= bool(self._unanswered)
            self._requests.clear()

    def _require_whole(self) -> None:
        if self.broken:
            raise KernelDied(_("the kernel did not survive an earlier call"))

    def _send(self) -> None:
        """Send the next request, and as many more as fit without being read, unless that was done already."""
        if self._unanswered:
            return
        batch = bytearray()
        while self._requests and (not batch or len(batch) + len(self._requests[0]) <= CHUNK):
            batch += self._requests.popleft()
            self._unanswered += 1
        rest = memoryview(batch)
        with self._waiting() as check:
            while rest:
                check()
                with contextlib.suppress(TimeoutError):
                    rest = rest[self._connection.send(rest) :]

    def _reply(self) -> Reply:
        with self._waiting() as check:
            while (reply := self._arrived()) is None:
                check()
                with contextlib.suppress(TimeoutError):
                    if not (chunk := self._connection.recv(CHUNK)):
                        raise ConnectionError("the kernel hung up")
                    self._received += chunk
        self._unanswered -= 1
        if self._received and not self._unanswered:
            raise wire.WireError("more than one reply")
        self._room -= len(reply)
        text = wire.text_bytes(reply)
        self._text_room -= text
        if min(self._room, self._text_room) < 0 or text > MAX_REPLY_TEXT:
            raise wire.WireError("the replies are too large")
        return Reply.of(wire.loads(reply))

    def _arrived(self) -> bytes | None:
        """Take the next reply off what was received; None while it is not whole."""
        head = self._received[: HEADER.size]
        if len(head) == HEADER.size and HEADER.unpack(head)[0] > MAX_REPLY:
            raise wire.WireError("a reply is too large")
        return unframed(self._received)

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[Callable[[], None]]:
        """Have the meter count while we wait; yield a function that checks the limits on time."""
        self._meter.start()
        start, begin = self._meter.seconds, time.monotonic()
        looked, every = begin, min(TICK, max(remaining(), LOOK_AGAIN))
        self._connection.settimeout(every)
        if remaining() <= 0:
            raise OutOfTime

        def check() -> None:
            nonlocal looked
            if (now := time.monotonic()) - looked < every:
                return
            looked, used = now, self._meter.tick() - start
            if remaining() <= 0:
                raise OutOfTime
            if not self._alive():
                raise ConnectionError("the kernel is gone")
            if used > self._seconds:
                raise OSError("no reply in time")
            if now - begin > PATIENCE * self._seconds:
                raise MachineTooBusy

        try:
            yield check
        except (BrokenPipeError, ConnectionError):
            self.hung_up = True
            raise
        finally:
            self._meter.tick()

    def store(self, value: Any) -> Any:
        """Return what stands for a large array over there; it is sent, if at all, once."""
        if not (type(value) is np.ndarray and value.nbytes >= LARGE):
            return value
        if id(value) not in self._stored:
            place = shared.place(value)
            function, argument = ("=", value) if place is None else ("@", str(place))
            there = self.request(function, [argument], {}).returned
            if not isinstance(there, Opaque):
                raise KernelDied(_("the kernel died or sent nonsense"))
            self._stored[id(value)] = (
                value,
                there,
            )  # holds on to the array, so its id stays its own
        return self._stored[id(value)][1]


class RemoteFunction:
    """A function of the student's notebook, called from here."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.__name__, self._channel = name, channel

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function over there."""
        reply = self._channel.request(self.__name__, list(arguments), keywords)
        return self._channel.taken(reply, arguments)

    def ahead(self, observations: Sequence[Callable[[], Seen]]) -> Iterator[Seen]:
        """Make observations of one call each, of this channel's functions; see :meth:`Channel.ahead`."""
        return self._channel.ahead(observations)

    def colocated(
        self, work: Callable[..., Any], functions: Functions, arguments: dict[str, Any]
    ) -> Any:
        """Run work of this package over there, beside the functions."""
        names = [f.__name__ for f in functions]
        sent = {name: self._channel.store(value) for name, value in arguments.items()}
        place = f"{work.__module__}:{work.__name__}"
        return self._channel.taken(self._channel.request(place, [names], sent), ())


@contextlib.contextmanager
def channel(kernel: Kernel, seconds: float) -> Iterator[Channel]:
    """Open a channel to a kernel; afterwards the kernel is ready for the next cell, or unusable.

    Raises
    ------
    KernelDied
        If the kernel does not connect.
    """
    name = f"calls-{secrets.token_hex(4)}"
    path = kernel.directory / name
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(path))
            listener.listen(1)
        except (
            OSError
        ) as error:  # student code can write there: full, removed, or gone with the kernel
            kernel.ending = Ending.DIED
            raise KernelDied(_("the kernel's directory cannot be used")) from error
        listener.settimeout(LOOK_AGAIN)
        kernel.begin(_serve(kernel.inside / name))
        connection = _accepted(listener, kernel)
    opened = Channel(connection, kernel.is_alive, seconds, kernel.meter)
    try:
        with measured_by(lambda: kernel.meter.seconds):
            yield opened
    finally:
        connection.close()
        kernel.finish(DEATH_SECONDS if opened.hung_up or not opened.broken else 0.0)


def _accepted(listener: socket.socket, kernel: Kernel) -> socket.socket:
    """Wait for the kernel's connection.

    Raises
    ------
    KernelDied
        If it does not connect.
    """
    kernel.meter.start()
    start, begin = kernel.meter.seconds, time.monotonic()
    while True:
        try:
            return listener.accept()[0]
        except TimeoutError:
            used = kernel.meter.tick() - start
            if kernel.has_ended() or used >= ACCEPT_SECONDS:
                kernel.finish(BEGIN_SECONDS)
                raise KernelDied(_("the kernel does not answer")) from None
            require_time(used, ACCEPT_SECONDS, time.monotonic() - begin)
        finally:
            kernel.meter.tick()


def _serve(path: Path) -> str:
    return f"__import__('autograder.student.server').student.server.serve({str(path)!r}, globals())"


def names_in(channel: Channel, names: list[str]) -> dict[str, Any]:
    """Return those of ``names`` that the notebook defines: functions as remote ones, data by value."""
    found = channel.request("?", [names], {}).returned
    out: dict[str, Any] = {}
    for name, seen in found.items() if isinstance(found, dict) else ():
        match seen:
            case (bool(is_function), value) if name in names:
                out[name] = RemoteFunction(name, channel) if is_function else value
    return out
