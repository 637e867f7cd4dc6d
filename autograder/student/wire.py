"""What may cross between the examiner and the student's process? Plain data, by value.

A message is a MessagePack text, preceded by its length and followed by the bytes of the arrays in it. Nothing is
pickled and nothing is executed: any bytes decode to a plain value or raise :class:`WireError`. Carried are None,
booleans, integers, floats, strings, bytes, tuples, lists, dicts, NumPy arrays and scalars of numeric dtypes, and NumPy
generators by their state. Towards the student, so are the dataclasses that assignments define for their cases
(:data:`OWN`). Back from the student, a value is reduced to plain data first: see :mod:`autograder.student.plain`.

What is decoded is bounded in size, depth and number, so that the worst message takes less than a second.

MessagePack's own types are used for what it can tell apart; :class:`Kind` numbers its extension types for the rest.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import struct
from enum import IntEnum
from typing import Any

import msgpack
import numpy as np

from autograder.student import plain
from autograder.student.generators import ANY_SEED
from autograder.student.plain import BIT_GENERATORS, MAX_INT_BITS, Keep, Lent, Opaque

LENGTH = struct.Struct(">I")
PCG64 = struct.Struct("<16s16s?I")  # state, increment, has_uint32, uinteger
MAX_BYTES = 256_000_000
MAX_TEXT = 8_000_000  # bytes of a message without its arrays
MAX_TEXT_BACK = 2_000_000  # likewise from the student; an empty list of one byte becomes one of 56
MAX_DEPTH = 60  # of tuples and other extension types
MAX_NESTING = 100  # of values of any kind
MAX_WIDTH = 60_000  # containers at one depth
MAX_EXTENSIONS = 60_000  # in one message; each takes some microseconds
MAX_DICTS = 60_000
MAX_DIMS = 64  # of arrays, NumPy's limit
SMALL = 512  # bytes, the first size of a buffer
OWN = "autograder.student."


class Kind(IntEnum):
    """What an extension type stands for."""

    TUPLE = 1
    ARRAY = 2
    SCALAR = 3
    INTEGER = 4
    PCG64 = 5
    GENERATOR = 6
    OPAQUE = 7
    OBJECT = 8
    LENT = 9


class WireError(ValueError):
    """Bytes that are not a message, or a value that cannot be carried."""


def dumps(value: Any, keep: Keep | None = None, back: bool = False) -> bytes:
    """Encode a value.

    Parameters
    ----------
    value:
        What to send.
    keep:
        In the student's process: puts aside what is not plain data, and returns the number under which it is
        kept. Without it such a value raises.
    back:
        In the student's process, if the value was reduced already: parts that were lent are sent whole.

    Raises
    ------
    WireError
        If a value cannot be carried, or the message would be too large.
    """
    back = back or keep is not None
    encoding = _Encoding(back)
    try:
        if keep is not None:
            value = plain.reduced(value, keep)
        text = encoding.pack(value)
    except (ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, WireError):
            raise
        raise WireError("a value is nested too deeply to be carried") from error
    size = len(text) + sum(map(len, encoding.arrays))
    if len(text) > (MAX_TEXT_BACK if back else MAX_TEXT) or size > MAX_BYTES:
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
        if start > len(data) or length > (MAX_TEXT if own else MAX_TEXT_BACK):
            raise WireError("not a message: cut short or too large")
        decoding = _Decoding(data, start, own)
        value = decoding.unpack(data[LENGTH.size : start])
        if decoding.offset != len(data):
            raise WireError("not a message: bytes left over")
        if is_deep(value):
            raise WireError("not a message: too deep")
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

    def __init__(self, back: bool) -> None:
        self.back, self.depth, self.arrays = back, 0, list[bytes]()

    def pack(self, value: Any) -> bytes:
        packer = msgpack.Packer(
            default=self.extension,
            strict_types=True,
            unicode_errors="replace",
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
            raise WireError("a value is nested too deeply to be carried")
        if kind is tuple:
            return self.inner(Kind.TUPLE, list(value))
        if kind is np.ndarray and value.dtype.str in plain.DTYPES:
            return self.array(Kind.ARRAY, value)
        if isinstance(value, np.generic) and value.dtype.str in plain.DTYPES:
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
        if isinstance(value, Opaque):
            return self.named(Kind.OPAQUE, value)
        if isinstance(value, Lent):
            if not self.back:  # its original is over there
                return self.named(Kind.OPAQUE, value)
            contents: Any = value
            base: Any = next(base for base in (tuple, list, dict) if isinstance(value, base))
            return self.named(Kind.LENT, value, base(contents))
        raise WireError(f"a value of type {plain.type_name(value)} cannot be carried")

    def named(self, kind: Kind, value: Any, *more: Any) -> msgpack.ExtType:
        return self.inner(kind, [value.number, type(value).__name__, *more])

    def array(self, kind: Kind, value: Any) -> msgpack.ExtType:
        if value.nbytes > MAX_BYTES:
            raise WireError(f"an array of {value.nbytes} bytes is too large")
        self.arrays.append(value.tobytes())
        shape = struct.pack(f"<{value.ndim}q", *value.shape)
        return msgpack.ExtType(kind, value.dtype.str.encode() + shape)


class _Decoding:
    """One message that is being decoded; ``offset`` is where the next array begins."""

    def __init__(self, data: bytes, offset: int, own: bool) -> None:
        self.data, self.offset, self.own, self.depth = data, offset, own, 0
        self.odd_keys, self.dicts, self.extensions = 0, 0, 0

    def unpack(self, text: bytes) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH + 3:  # those of a message's own form
            raise WireError("not a message: too deep")
        value = msgpack.unpackb(
            text,
            ext_hook=self.extension,
            object_pairs_hook=self.mapping,
            strict_map_key=False,
            unicode_errors="replace",
            timestamp=1,  # MessagePack's own extension, as a number
        )
        self.depth -= 1
        return value

    def spend(self, cost: int = 1) -> None:
        self.extensions += cost
        if self.extensions > MAX_EXTENSIONS and not self.own:
            raise WireError("not a message: too many elements")

    def mapping(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        """Return a dict. Looking a key up must not take long: few may be such as can be made to collide."""
        self.dicts += 1
        for key, _item in pairs:
            if type(key) is str or plain.is_short(key):
                continue
            self.odd_keys += 1
            if not plain.is_key(key):
                raise WireError("not a message: a key of an unknown kind")
        if self.odd_keys > plain.MAX_ODD_KEYS or self.dicts > MAX_DICTS:
            raise WireError("not a message: too many dicts, or keys that are not text")
        return dict(pairs)

    def extension(self, code: int, data: bytes) -> Any:
        """Return what an extension type stands for."""
        self.spend()
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
            self.spend(plain.GENERATOR_COST // 10)
            return _pcg64(data)
        elif code == Kind.GENERATOR:
            self.spend(plain.GENERATOR_COST)  # it takes as long as so many others
            return _generator(self.unpack(data))
        elif code == Kind.OPAQUE:
            match self.unpack(data):
                case [number, str(name)] if plain.is_short(number) and number >= 0:
                    return plain.opaque(number, name)
        elif code == Kind.LENT:
            match self.unpack(data):
                case [number, str(name), value] if plain.is_short(number) and number >= 0:
                    if type(value) in (tuple, list, dict):
                        return plain.lent(number, name, value)
        elif code == Kind.OBJECT and self.own:
            match self.unpack(data):
                case [str(name), dict(fields)] if name.startswith(OWN):
                    module, _dot, qualname = name.rpartition(".")
                    return getattr(importlib.import_module(module), qualname)(**fields)
        raise WireError("not a message: unknown element")

    def array(self, head: bytes) -> np.ndarray[Any, Any]:
        name, ndim = head[:3].decode("ascii"), (len(head) - 3) // 8
        if name not in plain.DTYPES or ndim > MAX_DIMS:
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


def is_deep(value: Any) -> bool:
    """Tell whether lists, tuples and dicts are nested deeper than is carried, or more of them than are."""
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _depth in range(MAX_NESTING):
        if not level:
            return False
        if len(level) > MAX_WIDTH:
            return True
        level = [
            item
            for held in level
            for item in (held.values() if isinstance(held, dict) else held)
            if isinstance(item, _CONTAINERS)
        ]
    return True


_CONTAINERS = (tuple, list, dict)


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
