"""What may cross between the examiner and the student's process? Plain data, by value.

A message is a JSON text, preceded by its length and followed by the bytes of the arrays in it. Nothing is pickled
and nothing is executed: any bytes decode to a plain value or raise :class:`WireError`. Carried are None, booleans, integers, floats, strings, tuples, lists, dicts, NumPy
arrays and scalars of numeric dtypes, and NumPy generators by their state. Towards the student, so are
the dataclasses that assignments define for their cases (:data:`OWN`). Back from the student, what cannot be carried stays
there and is represented by a :class:`Token`.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

LENGTH = struct.Struct(">I")
MAX_BYTES = 256_000_000
MAX_DEPTH = 30
MAX_ITEMS = 200_000
MAX_DIMS = 32
MAX_INT_BITS = 4096
OWN = "autograder.assignments."
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class WireError(ValueError):
    """Bytes that are not a message, or a value that cannot be carried."""


@dataclass(frozen=True)
class Token:
    """A value that stays in the student's process; ``number`` is valid in that process only."""

    number: int
    type: str = "object"


def dumps(value: Any, keep: Callable[[Any], int] | None = None) -> bytes:
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
    buffers: list[bytes] = []
    head = json.dumps(_encode(value, keep, 0, buffers), allow_nan=False, separators=(",", ":"))
    text = head.encode()
    data = b"".join((LENGTH.pack(len(text)), text, *buffers))
    if len(data) > MAX_BYTES:
        raise WireError(f"a message of {len(data)} bytes is too large")
    return data


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
        if start > len(data):
            raise WireError("not a message: cut short")
        decoding = _Decoding(data, start, own)
        value = decoding.decode(json.loads(data[LENGTH.size : start].decode("utf-8")), 0)
        if decoding.offset != len(data):
            raise WireError("not a message: bytes left over")
        return value
    except WireError:
        raise
    except (struct.error, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise WireError(f"not a message: {type(error).__name__}") from error
    except (RecursionError, MemoryError) as error:
        raise WireError("not a message: too deep or too large") from error


def _encode(value: Any, keep: Callable[[Any], int] | None, depth: int, buffers: list[bytes]) -> Any:
    if depth > MAX_DEPTH:
        return _stay(value, keep)
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return ["i", hex(value)] if value.bit_length() <= MAX_INT_BITS else _stay(value, keep)
    if kind is float:
        return value if math.isfinite(value) else ["f", repr(value)]
    if kind is tuple or kind is list:
        items = [_encode(item, keep, depth + 1, buffers) for item in value]
        return ["t" if kind is tuple else "l", items]
    if kind is dict:
        pairs = [
            [_encode(k, keep, depth + 1, buffers), _encode(v, keep, depth + 1, buffers)]
            for k, v in value.items()
        ]
        return ["d", pairs]
    if (kind is np.ndarray or isinstance(value, np.generic)) and _is_carried(value.dtype):
        if value.nbytes > MAX_BYTES:
            raise WireError(f"an array of {value.nbytes} bytes is too large")
        buffers.append(value.tobytes())
        return ["a" if kind is np.ndarray else "s", value.dtype.str, list(value.shape)]
    if kind is np.random.Generator:
        bits = value.bit_generator
        if type(bits) is np.random.PCG64:  # that of default_rng, which most calls carry: kept short
            state = bits.state
            own = state["state"]
            numbers = (own["state"], own["inc"], state["has_uint32"], state["uinteger"])
            return ["p", *(hex(number) for number in numbers)]
        if type(bits).__name__ in BIT_GENERATORS:
            return ["g", _encode(dict(bits.state), keep, depth + 1, buffers)]
    if dataclasses.is_dataclass(kind) and kind.__module__.startswith(OWN):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(kind)}
        name = f"{kind.__module__}.{kind.__qualname__}"
        return ["o", name, _encode(fields, keep, depth + 1, buffers)]
    if kind is Token:
        return ["k", value.number, value.type]
    return _stay(value, keep)


def _stay(value: Any, keep: Callable[[Any], int] | None) -> Any:
    name = type(value).__name__[:80]
    if keep is None:
        raise WireError(f"a value of type {name} cannot be carried")
    return ["k", keep(value), name]


def _is_carried(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8


class _Decoding:
    """One message that is being decoded; ``offset`` is where the next array begins."""

    def __init__(self, data: bytes, offset: int, own: bool) -> None:
        self.data, self.offset, self.own, self.budget = data, offset, own, MAX_ITEMS

    def decode(self, node: Any, depth: int) -> Any:
        self.budget -= 1
        if depth > MAX_DEPTH or self.budget < 0:
            raise WireError("not a message: too deep or too large")
        if node is None or isinstance(node, bool | str):
            return node
        if isinstance(node, float) and math.isfinite(node):
            return node
        if not isinstance(node, list) or not node:
            raise WireError("not a message: unknown element")
        match node:
            case ["i", str(text)] if len(text) <= MAX_INT_BITS // 4 + 3:
                return int(text, 16)
            case ["f", "nan" | "inf" | "-inf" as text]:
                return float(text)
            case ["t" | "l" as kind, list(items)]:
                values = [self.decode(item, depth + 1) for item in items]
                return tuple(values) if kind == "t" else values
            case ["d", list(pairs)]:
                decoded = [[self.decode(x, depth + 1) for x in pair] for pair in pairs]
                return {key: value for key, value in decoded}  # noqa: C416
            case ["a" | "s" as kind, str(dtype), list(shape)]:
                array = self._array(dtype, shape)
                if kind == "a":
                    return array
                if array.shape != ():
                    raise WireError("not a message: a scalar with a shape")
                return array[()]
            case ["g", state]:
                return _generator(self.decode(state, depth + 1))
            case ["p", str(state), str(inc), str(has_uint32), str(uinteger)]:
                return _pcg64(state, inc, has_uint32, uinteger)
            case ["k", int(number), str(name)] if not isinstance(number, bool):
                return Token(number, name[:80])
            case ["o", str(name), fields] if self.own and name.startswith(OWN):
                module, _dot, qualname = name.rpartition(".")
                build = getattr(importlib.import_module(module), qualname)
                return build(**self.decode(fields, depth + 1))
        raise WireError("not a message: unknown element")

    def _array(self, dtype_name: str, shape: list[Any]) -> np.ndarray[Any, Any]:
        if len(dtype_name) > 4 or len(shape) > MAX_DIMS:
            raise WireError("not a message: an array of an unknown kind")
        dtype = np.dtype(dtype_name)
        if not _is_carried(dtype):
            raise WireError("not a message: an array of an unknown kind")
        if not all(type(n) is int and 0 <= n <= MAX_BYTES for n in shape):
            raise WireError("not a message: an array without a proper shape")
        count = math.prod(shape)
        size = count * dtype.itemsize
        if self.offset + size > len(self.data):
            raise WireError("not a message: an array is cut short")
        array = np.frombuffer(self.data, dtype, count, self.offset) if size else np.empty(0, dtype)
        self.offset += size
        return array.reshape(shape).copy()


def _pcg64(*texts: str) -> np.random.Generator:
    state, inc, has_uint32, uinteger = (int(text[:40], 16) for text in texts)
    if not (0 <= state < 2**128 and 0 <= inc < 2**128 and 0 <= uinteger < 2**32):
        raise WireError("not a message: a generator without a proper state")
    bits = np.random.PCG64(0)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": inc},
        "has_uint32": int(has_uint32 != 0),
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


def _generator(state: Any) -> np.random.Generator:
    if not isinstance(state, dict) or state.get("bit_generator") not in BIT_GENERATORS:
        raise WireError("not a message: an unknown generator")
    bits = getattr(np.random, state["bit_generator"])(0)
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
