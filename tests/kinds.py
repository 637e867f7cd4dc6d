"""Which kinds of values do functions return? Each made of an array of numbers, and whether a check can take it for one."""

from __future__ import annotations

import array as arrays
import collections
import decimal
import fractions
import functools
import tempfile
import types
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import Any

import numpy as np


class Meters(np.ndarray):
    """A subclass of arrays, whose methods say something else."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return np.zeros(3)

    def __eq__(self, other: object) -> Any:
        return True

    def __mul__(self, other: object) -> Any:
        return self

    def tobytes(self, order: Any = "C") -> bytes:
        return b""


class Like:
    """An object that NumPy takes for an array."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.value)


class Precise(float):
    """A subclass of floats."""

    def __float__(self) -> float:
        return 0.0


class Colour(Enum):
    """No number."""

    RED = 1


class Count(IntEnum):
    """A number."""

    ONE = 1


class Rude:
    """Raises whatever is done with it."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


def read_only(a: Any) -> Any:
    out = np.array(a)
    out.flags.writeable = False
    return out


def memory_mapped(a: Any) -> Any:
    with tempfile.NamedTemporaryFile() as file:
        out = np.memmap(file.name, dtype=a.dtype, mode="w+", shape=a.shape or (1,))
        out[...] = a
        return out.reshape(a.shape)


def strided(a: Any) -> Any:
    out = np.empty((*a.shape, 2), a.dtype)[..., 0]
    out[...] = a
    return out


def object_array(a: Any) -> Any:
    return np.array(a, dtype=object)


def structured(a: Any) -> Any:
    return np.array([(1.0, 2)], dtype="f8,i4")


async def _coroutine() -> int:
    return 1


async def _agen() -> Any:
    yield 1


Make = Callable[[Any], Any]

SAME: dict[str, Make] = {
    "array": np.array,
    "read-only": read_only,
    "strided": strided,
    "reversed twice": lambda a: np.array(a)[..., ::-1].copy()[..., ::-1] if np.ndim(a) else a,
    "in Fortran's order": lambda a: np.array(a, order="F"),
    "of the other byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "longdouble": lambda a: a.astype(np.longdouble),
    "subclass": lambda a: np.array(a).view(Meters),
    "memory-mapped": memory_mapped,
    "nothing masked": lambda a: np.ma.masked_array(a),
    "nothing masked, with a mask": lambda a: np.ma.masked_array(a, np.zeros(a.shape, bool)),
    "broadcast": lambda a: np.broadcast_to(a, (1, *a.shape))[0],
    "chararray's base": lambda a: np.lib.stride_tricks.as_strided(a),
    "recarray without fields": lambda a: np.array(a).view(np.recarray),
}
"""What is an array of the same numbers."""

OTHER: dict[str, Make] = {
    "something masked": lambda a: np.ma.masked_array(a, np.ones(np.shape(a), bool)),
    "longdouble too large": lambda a: np.full(np.shape(a), np.longdouble("1e400")),
    "complex": lambda a: np.asarray(a) + 0j,
    "complex numbers": lambda a: np.asarray(a) * 1j,
    "objects": object_array,
    "list": lambda a: np.asarray(a).tolist(),
    "tuple": lambda a: tuple(np.ravel(a).tolist()),
    "nested tuple": lambda a: ((1.0, (2.0,)),),
    "set": lambda a: set(np.ravel(a).tolist()),
    "frozenset": lambda a: frozenset(np.ravel(a).tolist()),
    "generator": lambda a: (x for x in np.ravel(a)),
    "iterator": lambda a: iter(np.ravel(a).tolist()),
    "range": lambda a: range(3),
    "deque": lambda a: collections.deque(np.ravel(a).tolist()),
    "array of the standard library": lambda a: arrays.array("d", np.ravel(a).tolist()),
    "memoryview": lambda a: memoryview(np.array(a)),
    "bytes": lambda a: np.asarray(a).tobytes(),
    "bytearray": lambda a: bytearray(np.asarray(a).tobytes()),
    "None": lambda a: None,
    "text": lambda a: "text",
    "half a surrogate pair": lambda a: "\ud800",
    "np.str_": lambda a: np.str_("text"),
    "array of text": lambda a: np.array(["a", "b"]),
    "array of bytes": lambda a: np.array([b"a", b"b"]),
    "dates": lambda a: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "durations": lambda a: np.asarray(a).astype("timedelta64[s]"),
    "duration": lambda a: np.timedelta64(1, "s"),
    "structured": structured,
    "void": lambda a: structured(a)[0],
    "like an array": Like,
    "claims to be an array": lambda a: type(
        "Sly", (), {"__class__": property(lambda self: np.ndarray)}
    )(),
    "rude": lambda a: Rude(),
    "Decimal": lambda a: decimal.Decimal(1),
    "Fraction": lambda a: fractions.Fraction(1, 3),
    "huge integer": lambda a: 1 << 100,
    "integer beyond all": lambda a: 1 << 100_000,
    "Enum": lambda a: Colour.RED,
    "RandomState": lambda a: np.random.RandomState(1),
    "Generator": lambda a: np.random.default_rng(1),
    "module": lambda a: np,
    "class": lambda a: Like,
    "function": lambda a: read_only,
    "lambda": lambda a: lambda: a,
    "partial": lambda a: functools.partial(read_only, a),
    "coroutine": lambda a: _coroutine(),
    "asynchronous generator": lambda a: _agen(),
    "exception": lambda a: ValueError("returned"),
    "namespace": lambda a: types.SimpleNamespace(a=a),
    "mapping proxy": lambda a: types.MappingProxyType({"a": a}),
    "OrderedDict": lambda a: collections.OrderedDict(a=a),
    "defaultdict": lambda a: collections.defaultdict(list, a=[a]),
    "dict": lambda a: {"a": a},
    "dict with odd keys": lambda a: {
        np.str_("a"): 1,
        (1, (2, 3)): 2,
        Colour.RED: 3,
        np.int64(3): 4,
    },
    "dict with very many odd keys": lambda a: {float(i) + 0.5: i for i in range(5000)},
    "very many numbers": lambda a: list(range(100_000)),
    "a very long text": lambda a: "x" * 5_000_000,
    "a very large array": lambda a: np.zeros(10_000_000),
    "deep": lambda a: functools.reduce(lambda inner, _i: [inner], range(500), []),
    "wide and deep": lambda a: functools.reduce(lambda inner, _i: (inner, inner), range(60), ()),
    "float16": lambda a: np.asarray(a).astype(np.float16) * 3,
    "bool": lambda a: np.asarray(a) > 100,
    "int8": lambda a: np.asarray(a).astype(np.int8) + 100,
    "np.bool_": lambda a: np.bool_(True),
    "zero-dimensional": lambda a: np.array(77.0),
    "empty": lambda a: np.empty((0,)),
    "of 32 dimensions": lambda a: np.ones((1,) * 32),
    "of 64 dimensions": lambda a: np.ones((1,) * 64),
    "number": lambda a: 77.0,
    "complex number": lambda a: 1j,
    "np.complex64": lambda a: np.complex64(1),
    "infinity": lambda a: float("inf"),
    "NaN": lambda a: np.float32("nan"),
    "subclass of float": lambda a: Precise(77.0),
    "IntEnum": lambda a: Count.ONE,
    "recursive": lambda a: _recursive(),
    "np.matrix": lambda a: np.asmatrix(np.ravel(a)),
}
"""What is not."""


def _recursive() -> Any:
    out: list[Any] = []
    out.append(out)
    return {"a": out, "b": [out, out]}
