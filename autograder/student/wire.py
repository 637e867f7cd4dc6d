"""What may cross between the examiner and the student's process? Plain data, by value.

A message is a MessagePack text, preceded by its length and followed by the bytes of the arrays in it. Nothing is
pickled and nothing is executed: any bytes decode to a plain value or raise :class:`WireError`. Carried are None,
booleans, integers, floats, strings, bytes, tuples, lists, dicts, NumPy arrays and scalars of numeric dtypes, and NumPy
generators by their state. Towards the student, so are the dataclasses that assignments define for their cases
(:data:`OWN`). Back from the student, what cannot be carried stays there and is represented by a :class:`Token`.

MessagePack's own types are used for what it can tell apart; :class:`Kind` numbers its extension types for the rest.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgpack
import numpy as np

from autograder.student.generators import ANY_SEED

LENGTH = struct.Struct(">I")
PCG64 = struct.Struct("<16s16s?I")  # state, increment, has_uint32, uinteger
MAX_BYTES = 256_000_000
MAX_TEXT = (
    8_000_000  # bytes of a message without its arrays; an empty list of one byte becomes one of 56
)
MAX_DEPTH = 30  # of tuples and other extension types; MessagePack has a limit of its own for lists and dicts
MAX_DIMS = 32
MAX_INT_BITS = 4096
MAX_NESTING = 100  # of values of any kind
MAX_ODD_KEYS = 1000  # of dicts: keys whose hashes can be made to collide
SMALL = 512  # bytes, the first size of a buffer
OWN = "autograder.student."
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
_DTYPES = {
    np.dtype(order + kind).str
    for order in "<>"
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
}


class Kind(IntEnum):
    """What an extension type stands for."""

    TUPLE = 1
    ARRAY = 2
    SCALAR = 3
    INTEGER = 4
    PCG64 = 5
    GENERATOR = 6
    TOKEN = 7
    OBJECT = 8


class WireError(ValueError):
    """Bytes that are not a message, or a value that cannot be carried."""


@dataclass(frozen=True)
class Token:
    """A value that stays in the student's process; ``number`` is valid in that process only."""

    number: int
    type: str = "object"


Keep = Callable[[Any], int]


def dumps(value: Any, keep: Keep | None = None) -> bytes:
    """Encode a value.

    Parameters
    ----------
    value:
        What to send.
    keep:
        Called with a value that cannot be carried; returns the number of its token. Without it such a
        value raises.

    Raises
    ------
    WireError
        If a value cannot be carried, or the message would be too large.
    """
    encoding = _Encoding(keep)
    try:
        text = encoding.pack(value)
    except (ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, WireError):
            raise
        raise WireError("a value is nested too deeply to be carried") from error
    size = len(text) + sum(map(len, encoding.arrays))
    if len(text) > MAX_TEXT or size > MAX_BYTES:
        raise WireError(f"a message of {size} bytes is too large")
    return b"".join((LENGTH.pack(len(text)), text, *encoding.arrays))


def loads(data: bytes, own: bool = False) -> Any:
    """Decode a message.

    Parameters
    ----------
    data:
        Any bytes.
    own:
        Whether the package's own dataclasses may be built (for messages from the examiner only).

    Raises
    ------
    WireError
        If ``data`` is not a message. No other exception is raised, whatever the bytes.
    """
    if len(data) > MAX_BYTES:
        raise WireError(f"a message of {len(data)} bytes is too large")
    try:
        (length,) = LENGTH.unpack_from(data)
        start = LENGTH.size + length
        if start > len(data) or length > MAX_TEXT:
            raise WireError("not a message: cut short or too large")
        decoding = _Decoding(data, start, own)
        value = decoding.unpack(data[LENGTH.size : start])
        if is_deep(value):
            raise WireError("not a message: too deep")
        if decoding.offset != len(data):
            raise WireError("not a message: bytes left over")
        return value
    except WireError:
        raise
    except (
        struct.error, ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError,
    ) as error:  # fmt: skip
        raise WireError(f"not a message: {type(error).__name__}") from error
    except (RecursionError, MemoryError) as error:
        raise WireError("not a message: too deep or too large") from error


class _Encoding:
    """One message that is being encoded; ``arrays`` are the bytes of its arrays so far."""

    def __init__(self, keep: Keep | None) -> None:
        self.keep, self.depth, self.arrays = keep, 0, list[bytes]()

    def pack(self, value: Any) -> bytes:
        packer = msgpack.Packer(
            default=self.extension,
            strict_types=True,
            unicode_errors="surrogatepass",
            buf_size=SMALL,
        )
        packed: bytes = packer.pack(value)
        return packed

    def inner(self, kind: Kind, value: Any) -> msgpack.ExtType:
        self.depth += 1
        try:
            return msgpack.ExtType(kind, self.pack(value))
        finally:
            self.depth -= 1

    def extension(self, value: Any) -> msgpack.ExtType:
        """Return what stands for a value that MessagePack has no type for."""
        kind = type(value)
        if self.depth >= MAX_DEPTH:
            return self.stay(value)
        if kind is tuple:
            return self.inner(Kind.TUPLE, list(value))
        if kind is np.ndarray and value.dtype.str in _DTYPES:
            return self.array(Kind.ARRAY, value)
        if isinstance(value, np.generic) and value.dtype.str in _DTYPES:
            return self.array(Kind.SCALAR, value)
        if kind is int and value.bit_length() <= MAX_INT_BITS:
            size = value.bit_length() // 8 + 1
            return msgpack.ExtType(Kind.INTEGER, value.to_bytes(size, "little", signed=True))
        if kind is np.random.Generator:
            bits = value.bit_generator
            if type(bits) is np.random.PCG64:  # that of default_rng, which most calls carry
                state = bits.state
                numbers = (state["state"][name].to_bytes(16, "little") for name in ("state", "inc"))
                data = PCG64.pack(*numbers, bool(state["has_uint32"]), state["uinteger"])
                return msgpack.ExtType(Kind.PCG64, data)
            if type(bits).__name__ in BIT_GENERATORS:
                return self.inner(Kind.GENERATOR, bits.state)
        if dataclasses.is_dataclass(kind) and kind.__module__.startswith(OWN):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(kind)}
            return self.inner(Kind.OBJECT, [f"{kind.__module__}.{kind.__qualname__}", fields])
        if kind is Token:
            return self.inner(Kind.TOKEN, [value.number, value.type])
        return self.stay(value)

    def array(self, kind: Kind, value: Any) -> msgpack.ExtType:
        if value.nbytes > MAX_BYTES:
            raise WireError(f"an array of {value.nbytes} bytes is too large")
        self.arrays.append(value.tobytes())
        shape = struct.pack(f"<{value.ndim}q", *value.shape)
        return msgpack.ExtType(kind, value.dtype.str.encode() + shape)

    def stay(self, value: Any) -> msgpack.ExtType:
        name = type(value).__name__[:80]
        if self.keep is None:
            raise WireError(f"a value of type {name} cannot be carried")
        return msgpack.ExtType(Kind.TOKEN, msgpack.packb([self.keep(value), name]))


class _Decoding:
    """One message that is being decoded; ``offset`` is where the next array begins."""

    def __init__(self, data: bytes, offset: int, own: bool) -> None:
        self.data, self.offset, self.own, self.depth = data, offset, own, 0
        self.odd_keys = 0
        self.unicode_errors = "surrogatepass" if own else "replace"

    def unpack(self, text: bytes) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH + 3:
            raise WireError("not a message: too deep")
        value = msgpack.unpackb(
            text,
            ext_hook=self.extension,
            object_pairs_hook=self.mapping,
            strict_map_key=False,
            unicode_errors=self.unicode_errors,
            timestamp=1,  # MessagePack's own extension, as a number
        )
        self.depth -= 1
        return value

    def mapping(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        """Return a dict; a few keys at most may be of types whose hashes anybody can compute."""
        self.odd_keys += sum(type(key) is not str and not _is_short(key) for key, _value in pairs)
        if self.odd_keys > MAX_ODD_KEYS:
            raise WireError("not a message: too many keys that are not text")
        return dict(pairs)

    def extension(self, code: int, data: bytes) -> Any:
        """Return what an extension type stands for."""
        if code == Kind.TUPLE:
            items = self.unpack(data)
            if type(items) is list:
                return tuple(items)
        elif code == Kind.ARRAY:
            return self.array(data)
        elif code == Kind.SCALAR:
            array = self.array(data)
            if array.shape == ():
                return array[()]
        elif code == Kind.INTEGER:
            if len(data) <= MAX_INT_BITS // 8 + 1:
                return int.from_bytes(data, "little", signed=True)
        elif code == Kind.PCG64:
            return _pcg64(data)
        elif code == Kind.GENERATOR:
            return _generator(self.unpack(data))
        elif code == Kind.TOKEN:
            match self.unpack(data):
                case [int(number), str(name)] if type(number) is int:
                    return Token(number, name[:80])
        elif code == Kind.OBJECT and self.own:
            match self.unpack(data):
                case [str(name), dict(fields)] if name.startswith(OWN):
                    module, _dot, qualname = name.rpartition(".")
                    return getattr(importlib.import_module(module), qualname)(**fields)
        raise WireError("not a message: unknown element")

    def array(self, head: bytes) -> np.ndarray[Any, Any]:
        name, ndim = head[:3].decode("ascii"), (len(head) - 3) // 8
        if name not in _DTYPES or ndim > MAX_DIMS:
            raise WireError("not a message: an array of an unknown kind")
        shape = struct.unpack_from(f"<{ndim}q", head, 3)
        if len(head) != 3 + 8 * ndim or not all(0 <= n <= MAX_BYTES for n in shape):
            raise WireError("not a message: an array without a proper shape")
        dtype, count = np.dtype(name), math.prod(shape)
        size = count * dtype.itemsize
        if self.offset + size > len(self.data):
            raise WireError("not a message: an array is cut short")
        array = np.frombuffer(self.data, dtype, count, self.offset) if size else np.empty(0, dtype)
        self.offset += size
        return array.reshape(shape).copy()


def _is_short(key: Any) -> bool:
    return type(key) is int and -(2**60) < key < 2**60  # its own hash


def is_deep(value: Any) -> bool:
    """Tell whether lists, tuples and dicts are nested deeper than is carried."""
    level = [value]
    for _depth in range(MAX_NESTING):
        level = [
            item
            for held in level
            if type(held) in (list, tuple, dict)
            for item in (held.values() if type(held) is dict else held)
        ]
        if not level:
            return False
    return True


def text_bytes(data: bytes) -> int:
    """Return the length of a message's part that is not arrays.

    Raises
    ------
    WireError
        If ``data`` is too short to be a message.
    """
    if len(data) < LENGTH.size:
        raise WireError("not a message: cut short")
    return int(LENGTH.unpack_from(data)[0])


def _pcg64(data: bytes) -> np.random.Generator:
    state, increment, has_uint32, uinteger = PCG64.unpack(data)
    bits = np.random.PCG64(ANY_SEED)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {
            "state": int.from_bytes(state, "little"),
            "inc": int.from_bytes(increment, "little"),
        },
        "has_uint32": int(has_uint32),
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


def _generator(state: Any) -> np.random.Generator:
    if not isinstance(state, dict) or state.get("bit_generator") not in BIT_GENERATORS:
        raise WireError("not a message: an unknown generator")
    bits = getattr(np.random, state["bit_generator"])(ANY_SEED)
    if not _same_form(bits.state, state):
        raise WireError("not a message: a generator without a proper state")
    if state["bit_generator"] == "MT19937" and not 0 <= state["state"]["pos"] <= 624:
        raise WireError("not a message: a generator without a proper state")
    if state["bit_generator"] == "Philox" and not 0 <= state["buffer_pos"] <= 4:
        raise WireError("not a message: a generator without a proper state")
    bits.state = state
    return np.random.Generator(bits)


def _same_form(ours: Any, theirs: Any) -> bool:
    """Tell whether a state has the keys, types and array shapes of a genuine one."""
    if isinstance(ours, dict):
        return (
            isinstance(theirs, dict)
            and ours.keys() == theirs.keys()
            and all(_same_form(ours[k], theirs[k]) for k in ours)
        )
    if isinstance(ours, np.ndarray):
        return (
            isinstance(theirs, np.ndarray)
            and ours.shape == theirs.shape
            and ours.dtype == theirs.dtype
        )
    if isinstance(ours, str):
        return isinstance(theirs, str)
    return type(theirs) is int and 0 <= theirs < 2**128
