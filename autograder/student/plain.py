"""What is plain data, and what stands for a value that is not? The same in a notebook and when graded.

Plain are None, booleans, integers, floats, strings, bytes, tuples, lists, dicts, NumPy arrays and scalars of
numbers, and NumPy's generators. Checks see plain data only. :func:`reduced` makes it of what a student's function
returned, by the methods of the base types, never by those that a subclass may have replaced:

==================================================  ==================================================================
what was returned                                   what a check sees
==================================================  ==================================================================
a named tuple, an OrderedDict, any subclass of      a tuple, list or dict, which also knows its original: given back to
tuple, list or dict                                 a function it is the original again
an IntEnum, a subclass of int, float, str, bytes    the number or text
np.matrix, np.memmap, any subclass of np.ndarray    an array; of a masked array only if nothing in it is masked
np.longdouble                                       float64, unless it is too large for that
anything else: complex numbers, arrays of objects,  an :class:`Opaque`, which is given back to functions as the value
of text or of dates, sets, tensors, functions, ...  itself; its class bears the name of the value's, for sentences
==================================================  ==================================================================

A part that is nested too deeply or too large for one message is opaque, too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_DEPTH = 25  # of containers in each other
MAX_ELEMENTS = 50_000  # of all containers in one value; a container counts as some more
CONTAINER_COST = 10
GENERATOR_COST = 50
MAX_CHARACTERS = 200_000
MAX_ARRAY_BYTES = 30_000_000
MAX_INT_BITS = 4096
MAX_ODD_KEYS = 1000  # in one value: keys whose hashes anybody can make collide
MAX_KEY_PARTS = 16
MAX_NAME = 80
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
DTYPES = frozenset(
    np.dtype(order + kind).str
    for order in "<>"
    for kind in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
)
SCALARS = frozenset(np.dtype(code).type for code in "?bhilqBHILQefd")
_NAME = re.compile(r"[\w ]{1,80}")
_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__  # a metaclass may have another

Keep = Callable[[Any], int]
"""Puts a value aside in the student's process, and returns the number under which it is found again."""


class Opaque:
    """A value that stays in the student's process; ``number`` is valid there. Made by :func:`opaque`."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and other.number == self.number

    def __hash__(self) -> int:
        return self.number

    def __deepcopy__(self, memo: Any) -> Opaque:
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Lent:
    """Mixed into a tuple, list or dict that was made of a subclass's; ``number`` is that of the original."""

    number: int


class LentTuple(tuple[Any, ...], Lent):
    """A plain tuple with an original."""


class LentList(list[Any], Lent):
    """A plain list with an original."""


class LentDict(dict[Any, Any], Lent):
    """A plain dict with an original."""


_LENT: dict[type, type] = {tuple: LentTuple, list: LentList, dict: LentDict}


@functools.lru_cache(maxsize=1000)
def _called(base: type, name: str) -> type:
    return type(name if _NAME.fullmatch(name) else "object", (base,), {"__slots__": ()})


def opaque(number: int, name: str) -> Any:
    """Return what stands for a value whose type is called ``name``: so is the type of what is returned."""
    return _called(Opaque, name)(number)


def lent(number: int, name: str, value: Any) -> Any:
    """Return a tuple, list or dict as one that has an original; its type is called ``name``."""
    made = _called(_LENT[type(value)], name)(value)
    made.number = number
    return made


def name_of(kind: type) -> str:
    """Return the name of a type, whatever its metaclass says."""
    return _name_of(kind)[:MAX_NAME]


def type_name(value: Any) -> str:
    """Return what a value is called in sentences: the name of its type, of an array also that of its elements."""
    kind = type(value)
    if kind is np.ndarray:
        return f"ndarray of {value.dtype.type.__name__.rstrip('_')}"
    return name_of(kind)


def reduced(value: Any, keep: Keep) -> Any:
    """Return plain data for a value; what cannot be is put aside by ``keep``, and so are originals."""
    return Reduction(keep).of(value)


def copied(value: Any) -> Any:
    """Return plain data with copies of arrays, so that later calls cannot change it; other values as they are."""
    return _Copy(lambda _value: 0).of(value)


def as_tuple(value: Any) -> tuple[Any, ...] | None:
    """Return the parts of a tuple, or of a subclass's; None for everything else."""
    return tuple(tuple.__iter__(value)) if issubclass(type(value), tuple) else None


def is_short(key: Any) -> bool:
    """Tell whether a key is an integer that is its own hash: no two of them collide."""
    return type(key) is int and -(2**60) < key < 2**60


def is_key(key: Any) -> bool:
    """Tell whether a plain value may be a key: text, bytes, a number, None, an opaque value, or a few of these."""
    kind = type(key)
    if kind is tuple:
        return bool(_parts(key) <= MAX_KEY_PARTS and all(map(is_key, key)))
    if kind is int:
        return bool(-(2**63) <= key < 2**64)
    if kind in (str, bytes, float, bool) or key is None:
        return True
    return kind in SCALARS or isinstance(key, Opaque)


def _parts(key: Any) -> int:
    return 1 + sum(map(_parts, key)) if type(key) is tuple else 1


class Reduction:
    """One value, or several for one message, that are being reduced: they share what is allowed."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._elements, self._characters = MAX_ELEMENTS, MAX_CHARACTERS
        self._bytes, self._odd_keys = MAX_ARRAY_BYTES, MAX_ODD_KEYS
        self._depth = 0

    def of(self, value: Any) -> Any:
        """Return plain data for a value."""
        kind = type(value)
        if kind is float or kind is bool or value is None:
            return value
        if issubclass(kind, np.ndarray):
            return self._array(value)
        if kind is int:
            return value if value.bit_length() <= MAX_INT_BITS else self.opaque(value)
        if issubclass(kind, tuple | list | dict):
            return self._container(value)
        if issubclass(kind, str | bytes):
            return self._text(value)
        if kind in SCALARS:
            return value
        return self._rare(value)

    def opaque(self, value: Any) -> Any:
        """Return what stands for a value that is not plain."""
        return opaque(self._keep(value), type_name(value))

    def lent(self, original: Any, value: Any) -> Any:
        """Return a plain container that knows its original."""
        return lent(self._keep(original), type_name(original), value)

    def _rare(self, value: Any) -> Any:
        kind = type(value)
        if kind is np.longdouble:
            return self._rounded(value)
        if issubclass(kind, np.float64):
            return np.float64(float.__float__(value))
        if issubclass(kind, np.generic):
            return self.opaque(value)
        if issubclass(kind, float):
            return float.__float__(value)
        if issubclass(kind, int):
            return self.of(int.__int__(value))
        if kind is np.random.Generator and type(value.bit_generator) in _bit_generators():
            self._elements -= GENERATOR_COST
            return value if self._elements >= 0 else self.opaque(value)
        return self.opaque(value)

    def _text(self, value: str | bytes) -> Any:
        plain: str | bytes
        if isinstance(value, str):
            plain = str.__str__(value)
        else:
            plain = bytes.__getitem__(value, slice(None))
        if len(plain) > self._characters:
            return self.opaque(value)
        self._characters -= len(plain)
        return plain

    def _array(self, value: Any) -> Any:
        array = np.ndarray.view(value, np.ndarray)
        if type(value) is not np.ndarray and issubclass(type(value), np.ma.MaskedArray):
            mask = np.ma.getmask(np.ndarray.view(value, np.ma.MaskedArray))
            if np.any(mask):
                return self.opaque(value)
        if array.dtype.str not in DTYPES:
            if array.dtype.type is not np.longdouble:
                return self.opaque(value)
            return self._rounded(value)
        if array.nbytes > self._bytes:
            return self.opaque(value)
        self._bytes -= array.nbytes
        return self._as_is(array)

    def _as_is(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array

    def _rounded(self, value: Any) -> Any:
        """Return the float64 for a longdouble, or for an array of them."""
        plain = value if type(value) is np.longdouble else np.ndarray.view(value, np.ndarray)
        with np.errstate(all="ignore"):
            double = plain.astype(np.float64)
        if (np.isinf(double) & ~np.isinf(plain)).any():
            return self.opaque(value)
        return self.of(double)

    def _container(self, value: Any) -> Any:
        base = next(base for base in (tuple, list, dict) if issubclass(type(value), base))
        size = CONTAINER_COST + base.__len__(value)
        if size > self._elements or self._depth == MAX_DEPTH:
            return self.opaque(value)
        self._elements -= size
        self._depth += 1
        if base is dict:
            made: Any = self._dict(list(dict.items(value)))
        else:
            made = [self.of(item) for item in base.__iter__(value)]
        self._depth -= 1
        if made is None:
            return self.opaque(value)
        made = tuple(made) if base is tuple else made
        return made if type(value) is base else self.lent(value, made)

    def _dict(self, items: list[tuple[Any, Any]]) -> dict[Any, Any] | None:
        """Return the plain dict of some items; None if its keys would not do."""
        odd = sum(type(key) is not str and not is_short(key) for key, _item in items)
        if odd > self._odd_keys:
            return None
        self._odd_keys -= odd
        made = {self._key(key) if odd else key: self.of(item) for key, item in items}
        if not odd:
            self._characters -= sum(len(key) for key in made if type(key) is str)
        return made if len(made) == len(items) and self._characters >= 0 else None

    def _key(self, key: Any) -> Any:
        if (parts := as_tuple(key)) is not None:
            made: Any = tuple(self._key(part) for part in parts[: MAX_KEY_PARTS + 1])
        else:
            made = self.of(key)
        return made if is_key(made) else self.opaque(key)


class _Copy(Reduction):
    """A reduction that leaves alone what is not plain, and copies arrays."""

    def opaque(self, value: Any) -> Any:
        return value

    def lent(self, original: Any, value: Any) -> Any:
        return value

    def _as_is(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.copy()


@functools.cache
def _bit_generators() -> frozenset[type]:
    return frozenset(getattr(np.random, name) for name in BIT_GENERATORS)
