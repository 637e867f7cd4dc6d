"""What runs in the student's process for the examiner? A loop that calls functions on request.

The examiner has the kernel execute ``serve(path)``: it connects to the examiner's socket, and then
answers requests until the examiner hangs up. Student code shares this process and could change all of
this; it would gain nothing, because an answer can only say what a function returned.
"""

from __future__ import annotations

import copy
import ctypes
import importlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.student import wire
from autograder.student.outcome import Captured, Stop, described, quiet, stoppable
from autograder.student.plain import Opaque, Reduction

HEADER = struct.Struct(">Q")
CHUNK = 1 << 16  # bytes that are read at once; memory for more costs more than reading again
STATE_BYTES = 2500  # of the Mersenne Twister: 624 words and a position


@dataclass
class Memory:
    """What is kept between the calls of one channel: values that stay here, NumPy's global state, what is printed."""

    values: list[Any] = field(default_factory=list)
    state: GlobalState | None = None
    printed: Captured = field(default_factory=Captured)

    def keep(self, value: Any) -> int:
        """Put a value aside and return its number."""
        self.values.append(value)
        return len(self.values) - 1

    def fetch(self, value: Any) -> Any:
        """Replace what stands for a value by the value; what may be changed is a copy, as all arguments are."""
        kind = type(value)
        if kind is tuple or kind is list:
            return kind(self.fetch(item) for item in value)
        if kind is dict:
            return {self.fetch(key): self.fetch(item) for key, item in value.items()}
        if not isinstance(value, Opaque):
            return value
        stored = self.values[value.number]
        if isinstance(stored, Stay):
            return stored.value
        if issubclass(type(stored), tuple | list | dict):
            try:
                return copy.deepcopy(stored)
            except Stop:
                raise
            except BaseException:
                return stored
        return stored


def serve(path: str, namespace: dict[str, Any]) -> None:
    """Answer requests from the socket at ``path`` with the functions of ``namespace``."""
    memory, replies = Memory(), bytearray()
    with (
        quiet(memory.printed),
        stoppable(),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.connect(path)
        requests = Requests(connection)
        while (request := requests.next()) is not None:
            replies += framed(answer(wire.loads(request, own=True), namespace, memory))
            if len(replies) > CHUNK or not requests.more:  # each reply wakes the examiner
                connection.sendall(replies)
                replies.clear()


def answer(request: Any, namespace: dict[str, Any], memory: Memory) -> bytes:
    """Carry out one request and return the encoded reply; inside :func:`quiet`, with the memory's ``printed``.

    A request is ``[function, arguments, keywords, state]``, a reply ``[returned, raised, changed, state,
    printed]``: what was returned, or the exception as type name, names of base classes, message and line; the
    arguments that were changed, with their positions; the state of NumPy's global generator, if it is another
    than before (in a request it may also be a seed).

    Raises
    ------
    Stop
        If that was raised.
    """
    name, given, named, state = request
    arguments = [memory.fetch(argument) for argument in given]
    keywords = {keyword: memory.fetch(value) for keyword, value in named.items()}
    before = [_snapshot(argument) for argument in arguments]
    if type(state) is int:
        memory.state = GlobalState.seeded(state)
    elif state is not None:
        np.random.set_state(state)
        memory.state = GlobalState(state)
    returned, failure = None, None
    try:
        returned = _find(name, namespace)(*arguments, **keywords)
    except Stop:
        raise
    except BaseException as error:
        what = described(error)
        failure = (what.type, what.bases, what.message, what.where)
    changed = [
        (i, argument)
        for i, (argument, old) in enumerate(zip(arguments, before, strict=True))
        if old is not None and _snapshot(argument) != old
    ]
    moved = None
    if memory.state is None or not memory.state.is_current():
        memory.state = GlobalState()
        moved = memory.state.state
    printed = memory.printed.taken()
    plain = Reduction(memory.keep)
    changed, returned = [(i, plain.of(argument)) for i, argument in changed], plain.of(returned)
    try:
        return wire.dumps([returned, failure, changed, moved, printed], back=True)
    except wire.WireError as error:
        failure = ("WireError", ("ValueError", "Exception", "BaseException"), str(error), "")
        return wire.dumps([None, failure, [], moved, printed])


class GlobalState:
    """A state that NumPy's global generator had; asks cheaply whether it still has it.

    Reading the whole state takes longer than most calls. Its 2,500 bytes in memory change with every number
    that is drawn, but for a normal number that was set aside by the one before (``has_gauss``).
    """

    def __init__(self, state: Any = None) -> None:
        self.state: Any = np.random.get_state(legacy=True) if state is None else state
        self._memory = _generators_memory()

    @staticmethod
    def seeded(seed: int) -> GlobalState:
        """Seed the generator and return its state."""
        np.random.seed(seed)
        if seed not in _seeded:
            _seeded[seed] = GlobalState()
        return _seeded[seed]

    def is_current(self) -> bool:
        """Tell whether the generator still has this state."""
        if not self.state[3]:
            return self._memory == _generators_memory()
        now: Any = np.random.get_state(legacy=True)
        return bool(self.state[2:] == now[2:] and np.array_equal(self.state[1], now[1]))


_seeded: dict[int, GlobalState] = {}


def _generators_memory() -> bytes:
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    return ctypes.string_at(generator.ctypes.state_address, STATE_BYTES)


def _snapshot(value: Any) -> Any:
    """Return what tells a changed argument from an unchanged one; None if it cannot change."""
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, np.ndarray | np.random.Generator | list | dict):
        try:
            return wire.dumps(value, lambda _value: 0)
        except wire.WireError:
            return b""
    return None


def _find(name: str, namespace: dict[str, Any]) -> Any:
    """Return what a request names.

    A student's function by its name; for ``package.module:name`` the package's own work on student
    functions; for ``?`` for each of a list of names, whether it is a function, and what it stands for; for ``=`` what stands for the
    argument, which stays here; for ``@`` one for the array in a file of training data.
    """
    if name == "?":
        return lambda names: {n: _seen(namespace[n]) for n in names if n in namespace}
    if name == "=":
        return Stay
    if name == "@":
        return lambda path: Stay(np.load(path, mmap_mode="r", allow_pickle=False))
    module, colon, attribute = name.partition(":")
    if not colon:
        return namespace[name]
    work = getattr(importlib.import_module(module), attribute)

    def run(functions: list[str], **arguments: Any) -> Any:
        return work(*(namespace[function] for function in functions), **arguments)

    return run


class Stay:
    """A value that is always opaque."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _seen(value: Any) -> tuple[bool, Any]:
    return (True, Stay(value)) if callable(value) else (False, value)


def framed(data: bytes) -> bytes:
    """Return a message with its length before it."""
    return HEADER.pack(len(data)) + data


class Requests:
    """The messages that arrive on a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._data = connection, bytearray()

    @property
    def more(self) -> bool:
        """Whether another one has arrived, or is arriving."""
        return bool(self._data)

    def next(self) -> bytes | None:
        """Return the next one, or None when the other side hung up.

        Raises
        ------
        WireError
            If it is too large.
        """
        while (message := unframed(self._data)) is None:
            if not (chunk := self._connection.recv(CHUNK)):
                return None
            self._data += chunk
        return message


def unframed(data: bytearray) -> bytes | None:
    """Take the first message off what has arrived; None while it is not whole.

    Raises
    ------
    WireError
        If it is too large.
    """
    if len(data) < HEADER.size:
        return None
    size = HEADER.size + announced(bytes(data[: HEADER.size]))
    if len(data) < size:
        return None
    message = bytes(data[HEADER.size : size])
    del data[:size]
    return message


def announced(header: bytes) -> int:
    """Return the length of the message that follows a header.

    Raises
    ------
    WireError
        If it is too large.
    """
    (size,) = HEADER.unpack(header)
    if size > wire.MAX_BYTES:
        raise wire.WireError(f"a message of {size} bytes is too large")
    return int(size)
