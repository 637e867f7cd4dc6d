"""What runs in the student's process for the examiner? A loop that calls functions on request.

The examiner has the kernel execute ``serve(path)``: it connects to the examiner's socket, and then
answers requests until the examiner hangs up. Student code shares this process and could change all of
this; it would gain nothing, because an answer can only say what a function returned.
"""

from __future__ import annotations

import copy
import importlib
import socket
import struct
from typing import Any

import numpy as np

from autograder.engine.observe import Captured, quiet, raised
from autograder.examiner import wire

HEADER = struct.Struct(">Q")


def serve(path: str, namespace: dict[str, Any]) -> None:
    """Answer requests from the socket at ``path`` with the functions of ``namespace``."""
    kept: list[Any] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        while (request := receive(connection)) is not None:
            send(connection, answer(wire.loads(request, own=True), namespace, kept))


def answer(request: Any, namespace: dict[str, Any], kept: list[Any]) -> bytes:
    """Carry out one request and return the encoded reply."""

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    def fetch(value: Any) -> Any:
        """Replace tokens by what they stand for."""
        if isinstance(value, wire.Token):
            stored = kept[value.number]
            return stored.value if isinstance(stored, Stay) else stored
        if type(value) in (tuple, list):
            return type(value)(fetch(item) for item in value)
        if type(value) is dict:
            return {key: fetch(item) for key, item in value.items()}
        return value

    arguments = [fetch(argument) for argument in request["arguments"]]
    keywords = {name: fetch(value) for name, value in request["keywords"].items()}
    before = [copy.deepcopy(a) if _can_change(a) else None for a in arguments]
    np.random.set_state(request["global_state"])
    reply: dict[str, Any] = {"returned": None, "raised": None}
    printed = Captured()
    try:
        with quiet(printed):
            function = _find(request["function"], namespace)
            reply["returned"] = function(*arguments, **keywords)
    except (Exception, SystemExit) as error:
        what = raised(error)
        reply["raised"] = (what.type or type(error).__name__, what.message[:2000], what.where[:500])
    reply["changed"] = [
        (i, argument)
        for i, (argument, old) in enumerate(zip(arguments, before, strict=True))
        if old is not None
        and wire.dumps(argument, lambda _value: 0) != wire.dumps(old, lambda _value: 0)
    ]
    reply["global_state"] = np.random.get_state(legacy=True)
    reply["printed"] = printed.getvalue()
    try:
        return wire.dumps(reply, keep)
    except wire.WireError as error:
        reply.update(returned=None, changed=[], raised=("WireError", str(error), ""))
        return wire.dumps(reply, keep)


def _find(name: str, namespace: dict[str, Any]) -> Any:
    """Return what a request names.

    A student's function by its name; for ``package.module:name`` the package's own work on student
    functions; for ``?`` what a list of names stands for (functions as tokens); for an empty name a
    token for the argument, which stays here.
    """
    if name == "?":
        return lambda names: {n: _seen(namespace[n]) for n in names if n in namespace}
    if name == "":
        return Stay
    module, colon, attribute = name.partition(":")
    if not colon:
        return namespace[name]
    work = getattr(importlib.import_module(module), attribute)

    def run(functions: list[str], **arguments: Any) -> Any:
        return work(*(namespace[function] for function in functions), **arguments)

    return run


class Stay:
    """A value that is only carried as a token."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _seen(value: Any) -> Any:
    return Stay(value) if callable(value) else value


def _can_change(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.random.Generator | list | dict)


def send(connection: socket.socket, data: bytes) -> None:
    """Send one message with its length."""
    connection.sendall(HEADER.pack(len(data)) + data)


def receive(connection: socket.socket) -> bytes | None:
    """Return the next message, or None when the other side hung up.

    Raises
    ------
    WireError
        If the announced length is too large.
    """
    header = _exactly(connection, HEADER.size)
    if header is None:
        return None
    (size,) = HEADER.unpack(header)
    if size > wire.MAX_BYTES:
        raise wire.WireError(f"a message of {size} bytes is too large")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(min(size - len(data), 1 << 20))
        if not chunk:
            return None
        data += chunk
    return bytes(data)
