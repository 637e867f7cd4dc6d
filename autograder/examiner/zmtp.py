"""How are a kernel's sockets read by somebody who does not trust it? ZeroMQ's protocol, with limits on every frame.

libzmq itself would collect a message of any number of parts in our memory before we could look at it. So this is the
part of ZMTP 3.0 (https://rfc.zeromq.org/spec/23) that a Jupyter client needs: a greeting, and then frames, each with
its length before it. A frame that is too large is thrown away as it arrives.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4  # flags of a frame
SIZE = struct.Struct(">Q")
CHUNK = 1 << 16  # bytes that are read at once
MAX_FRAMES = 20  # of a message: further ones are thrown away
SECONDS = 10.0  # for the greeting, and for a message to be taken

Message = list[bytes | None]


class Connection:
    """A client's end of one socket of a kernel.

    Parameters
    ----------
    path:
        The file of the socket.
    kind:
        ``"DEALER"``, or ``"SUB"``, which subscribes to everything.
    most:
        Bytes of a message that are kept.

    Raises
    ------
    OSError
        If nobody answers there as ZeroMQ does.
    """

    def __init__(self, path: Path, kind: str, most: int) -> None:
        self._data, self._most = bytearray(), most
        self._message: Message = []
        self._kept, self._skip, self._more = 0, 0, False
        self._socket = _connected(path)
        try:
            self._socket.sendall(GREETING)
            self._greeted()
            ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind.encode()
            self._socket.sendall(bytes([COMMAND, len(ready)]) + ready)
            if kind == "SUB":
                self.send([b"\x01"])
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the file descriptor, to wait for."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, frames: list[bytes]) -> None:
        """Send a message.

        Raises
        ------
        OSError
            If the other side does not take it.
        """
        data = bytearray()
        for i, frame in enumerate(frames):
            more = MORE if i < len(frames) - 1 else 0
            if len(frame) < 256:
                data += bytes([more, len(frame)])
            else:
                data += bytes([more | LONG]) + SIZE.pack(len(frame))
            data += frame
        self._socket.sendall(data)

    def receive(self) -> Iterator[Message]:
        """Read once, and yield the messages that are complete now; None stands for a frame that was too large.

        Raises
        ------
        OSError
            If the other side hung up.
        """
        chunk = self._socket.recv(CHUNK)
        if not chunk:
            raise ConnectionError
        self._data += chunk
        at = 0
        while True:
            if self._skip:
                step = min(self._skip, len(self._data) - at)
                at, self._skip = at + step, self._skip - step
                if self._skip:
                    break
            elif (head := _head(self._data, at)) is None:
                break
            else:
                flags, size, start = head
                self._more = bool(flags & MORE)
                wanted = not flags & COMMAND and len(self._message) < MAX_FRAMES
                if not wanted or self._kept + size > self._most:
                    at, self._skip = start, size
                    if wanted:
                        self._message.append(None)
                    if size:
                        continue
                elif start + size > len(self._data):
                    break
                else:
                    at = start + size
                    self._message.append(bytes(self._data[start:at]))
                    self._kept += size
            if not self._more and self._message:
                message, self._message, self._kept = self._message, [], 0
                yield message
        del self._data[:at]

    def _greeted(self) -> None:
        theirs = b""
        while len(theirs) < len(GREETING):
            chunk = self._socket.recv(len(GREETING) - len(theirs))
            if not chunk:
                raise ConnectionError
            theirs += chunk
        if theirs[0] != 0xFF or theirs[10] < 3 or theirs[12:32] != GREETING[12:32]:
            raise ConnectionError


def _connected(path: Path) -> socket.socket:
    """Connect; the file of a socket exists a moment before somebody listens."""
    end = time.monotonic() + SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(SECONDS)
        try:
            connection.connect(str(path))
            return connection
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.002)
        except BaseException:
            with contextlib.suppress(OSError):
                connection.close()
            raise


def _head(data: bytearray, at: int) -> tuple[int, int, int] | None:
    """Return flags, size and beginning of the frame whose head is at ``at``; None while it is not whole."""
    if len(data) < at + 2:
        return None
    flags = data[at]
    if not flags & LONG:
        return flags, data[at + 1], at + 2
    if len(data) < at + 1 + SIZE.size:
        return None
    return flags, SIZE.unpack_from(data, at + 1)[0], at + 1 + SIZE.size
