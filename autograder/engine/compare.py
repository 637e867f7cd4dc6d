"""Are two values the same, and if not, how do they differ?

An :class:`Expectation` judges one observed value. ``mismatch`` returns ``None`` or a
:class:`Mismatch` that says how the value differs in words a student can act on; ``same`` tells
whether two observed values are alike by the same measure (used to recognise a known mistake).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.engine.messages import _
from autograder.student.outcome import Raised, shorten


@dataclass(frozen=True)
class Mismatch:
    """How an observed value differs from what was expected.

    ``margin`` is the largest deviation in units of the tolerance; infinite where the two values
    differ in kind (shape, type, an exception, a yes instead of a no).
    """

    expected: str
    actual: str
    how: str
    margin: float


class Expectation(ABC):
    """What an observed value should be."""

    @abstractmethod
    def mismatch(self, actual: Any) -> Mismatch | None:
        """Return how ``actual`` differs from what is expected, or ``None``."""

    def holds(self, actual: Any) -> bool:
        """Tell whether ``actual`` is as expected, without finding out how it differs."""
        return self.mismatch(actual) is None

    @abstractmethod
    def same(self, one: Any, other: Any) -> bool:
        """Tell whether two observed values are alike by this expectation's measure."""


@dataclass(frozen=True)
class Close(Expectation):
    """A numeric array equal to ``value`` within ``atol + rtol * |value|``, of the same shape.

    Where ``value`` is infinite the array must hold the same infinity, where it is NaN, NaN.
    The default tolerances fit PyTorch's own rounding: it multiplies by ``1/(1-p)`` rounded to the
    tensor's dtype, so equality to the last bit is not to be had (float32: about 1e-7).
    """

    value: NDArray[Any] | float
    rtol: float = 1e-6
    atol: float = 1e-9

    def mismatch(self, actual: Any) -> Mismatch | None:
        if self.holds(actual):
            return None
        expected = np.asarray(self.value)
        how, margin = self._difference(expected, actual)
        return Mismatch(show(expected), show(actual), how, margin)

    def holds(self, actual: Any) -> bool:
        """Tell whether ``actual`` has the shape and, within the tolerance, the numbers of ``value``."""
        expected = np.asarray(self.value)
        if not is_numeric(actual) or np.shape(actual) != expected.shape:
            return False
        with np.errstate(all="ignore"):
            near = np.abs(actual - expected) <= self.atol + self.rtol * np.abs(expected)
        finite = np.isfinite(expected)
        return bool(
            (near & finite).all() or (near & finite | _same_special(actual, expected)).all()
        )

    def same(self, one: Any, other: Any) -> bool:
        if not (is_numeric(one) and is_numeric(other)):
            return type(one) is type(other) and bool(one == other)
        a, b = np.asarray(one), np.asarray(other)
        return a.shape == b.shape and bool(
            np.allclose(a, b, rtol=self.rtol, atol=self.atol, equal_nan=True)
        )

    def _difference(self, expected: NDArray[Any], actual: Any) -> tuple[str, float]:
        if not is_numeric(actual):
            return _("expected a NumPy array of numbers, got {type}").format(
                type=type(actual).__name__
            ), math.inf
        got = np.asarray(actual)
        if got.shape != expected.shape:
            return _("shape {got} instead of {expected}").format(
                got=got.shape, expected=expected.shape
            ), math.inf
        bad = ~np.isfinite(got) & ~_same_special(got, expected)
        if bad.any():
            return _("{n} of {size} values are {what}").format(
                n=int(bad.sum()),
                size=got.size,
                what=_("NaN") if np.isnan(got[bad]).any() else _("infinite"),
            ), math.inf
        with np.errstate(all="ignore"):
            error = np.abs(got - expected) / (self.atol + self.rtol * np.abs(expected))
            special = np.where(_same_special(got, expected), 0.0, np.inf)
            error = np.where(np.isfinite(expected), error, special)
            return describe_difference(expected, got, error), float(np.max(error))


def _same_special(one: Any, other: Any) -> NDArray[np.bool_]:
    """Tell where both arrays hold the same infinity, or both NaN."""
    both_nan = np.isnan(one) & np.isnan(other)
    return np.asarray(both_nan | ((one == other) & np.isinf(other)))


@dataclass(frozen=True)
class Unchanged(Close):
    """An array that a function must leave as it was. Any two changes of it are alike."""

    def same(self, one: Any, other: Any) -> bool:
        return (self.mismatch(one) is None) == (self.mismatch(other) is None)


@dataclass(frozen=True)
class Within(Expectation):
    """A number between ``low`` and ``high``, both included."""

    low: float
    high: float

    def mismatch(self, actual: Any) -> Mismatch | None:
        value = float(actual)
        if self.low <= value <= self.high:
            return None
        half = (self.high - self.low) / 2 or 1e-12
        margin = abs(value - (self.high + self.low) / 2) / half
        expected = _("between {low:.4g} and {high:.4g}").format(low=self.low, high=self.high)
        return Mismatch(expected, f"{value:.4g}", "", margin if math.isfinite(value) else math.inf)

    def same(self, one: Any, other: Any) -> bool:
        if abs(float(one) - float(other)) <= (self.high - self.low) / 2:
            return True
        # Statistics of random masks: two that miss on the same side are the same mistake.
        return all(v > self.high for v in (one, other)) or all(v < self.low for v in (one, other))


@dataclass(frozen=True)
class Is(Expectation):
    """A plain value (bool, int, str) equal to ``value``."""

    value: Any

    def mismatch(self, actual: Any) -> Mismatch | None:
        if type(actual) is type(self.value) and actual == self.value:
            return None
        return Mismatch(show(self.value), show(actual), "", math.inf)

    def same(self, one: Any, other: Any) -> bool:
        return type(one) is type(other) and bool(one == other)


@dataclass(frozen=True)
class Raises(Expectation):
    """An exception of the type called ``type``, or of a subclass: the observed value is a :class:`Raised`."""

    type: str

    def mismatch(self, actual: Any) -> Mismatch | None:
        if isinstance(actual, Raised) and self.type in (actual.type, *actual.bases):
            return None
        got = str(actual) if isinstance(actual, Raised) else _("no exception: it returned a result")
        return Mismatch(self.type, got, "", math.inf)

    def same(self, one: Any, other: Any) -> bool:
        return (one.type if isinstance(one, Raised) else None) == (
            other.type if isinstance(other, Raised) else None
        )


def describe_difference(
    expected: NDArray[Any], got: NDArray[Any], error: NDArray[np.float64]
) -> str:
    """Say in one sentence how two arrays of one shape differ.

    Looks, in this order, for another pattern of zeros, a constant ratio (a flipped sign is the ratio
    -1) and, if it finds neither, names the worst element.
    """
    wrong = error > 1
    zero_expected, zero_got = expected == 0, got == 0
    if got.size > 1 and zero_got.all():
        return _("yours is zero everywhere")
    if (wrong & (zero_expected != zero_got)).any():
        missing, extra = (
            int((zero_got & ~zero_expected).sum()),
            int((zero_expected & ~zero_got).sum()),
        )
        return _("zeros in other places: {missing} too many, {extra} missing, of {size}").format(
            missing=missing, extra=extra, size=got.size
        )
    nonzero = ~zero_expected
    ratio = got[nonzero] / expected[nonzero]
    if ratio.size and np.allclose(ratio, ratio.flat[0], rtol=1e-6):
        return _("yours is {ratio:.6g} times the expected value wherever that is not zero").format(
            ratio=float(ratio.flat[0])
        )
    worst = np.unravel_index(int(np.argmax(error)), got.shape)
    place = "[" + ", ".join(str(int(i)) for i in worst) + "]" if worst else ""
    return _(
        "{n} of {size} values differ, most at {place}: {got:.6g} instead of {expected:.6g}"
    ).format(
        n=int(wrong.sum()), size=got.size, place=place, got=got[worst], expected=expected[worst]
    )


def is_numeric(value: Any) -> bool:
    """Tell whether ``value`` is a NumPy array (or scalar) of numbers or booleans, or a number."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biuf"
    return isinstance(value, int | float)


def show(value: Any) -> str:
    """Print any value in at most ``MAX_LINES`` lines."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        text = np.array2string(
            np.asarray(value) + 0, precision=4, threshold=24, edgeitems=2, max_line_width=76
        )
    elif isinstance(value, bool):
        text = _("yes") if value else _("no")
    elif isinstance(value, str):
        text = value
    else:
        text = repr(value)
    return shorten(text)
