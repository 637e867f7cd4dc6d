"""Does comparison notice every kind of difference and say it in words?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograder.engine.compare import Close, Is, Raises, Unchanged, Within, show
from autograder.student.outcome import Raised, raised, shorten

X = np.array([[1.0, 0.0, -2.0], [0.0, 3.0, 4.0]])


@pytest.mark.parametrize(
    ("actual", "words"),
    [
        (None, "expected a NumPy array of numbers, got NoneType"),
        ([1.0, 2.0], "got list"),
        (np.array(["a"]), "got ndarray"),
        (X[0], "shape (3,) instead of (2, 3)"),
        (X * np.nan, "6 of 6 values are NaN"),
        (np.where(X == 0, np.inf, X), "2 of 6 values are infinite"),
        (X * 0.8, "yours is 0.8 times the expected value"),
        (-X, "yours is -1 times the expected value"),
        (np.where(X == -2, 0, X), "zeros in other places: 1 too many, 0 missing, of 6"),
        (X + (X == 0), "zeros in other places: 0 too many, 2 missing, of 6"),
        (X * 0, "yours is zero everywhere"),
        (np.where(X == 4, 5, X), "1 of 6 values differ, most at [1, 2]: 5 instead of 4"),
    ],
)
def test_close_says_how_values_differ(actual: object, words: str) -> None:
    mismatch = Close(X).mismatch(actual)
    assert mismatch is not None
    assert words in mismatch.how
    assert mismatch.margin > 1


@pytest.mark.parametrize("actual", [X.copy(), X.astype("float32"), X * (1 + 5e-7)])
def test_close_accepts_rounding(actual: np.ndarray) -> None:
    assert Close(X).mismatch(actual) is None


def test_close_accepts_empty_arrays_of_the_right_shape_only() -> None:
    assert Close(np.zeros((0, 3))).mismatch(np.zeros((0, 3))) is None
    assert Close(np.zeros((0, 3))).mismatch(np.zeros((3, 0))) is not None


def test_margin_is_measured_in_tolerances() -> None:
    mismatch = Close(np.array([1.0]), rtol=1e-3, atol=0).mismatch(np.array([1.1]))
    assert mismatch is not None
    assert mismatch.margin == pytest.approx(100)


def test_within() -> None:
    assert Within(0.1, 0.3).mismatch(0.3) is None
    assert Within(0.1, 0.3).mismatch(0.31) is not None
    assert Within(0.1, 0.3).mismatch(math.nan) is not None
    assert Within(0.1, 0.3).same(0.8, 0.9)
    assert not Within(0.1, 0.3).same(0.0, 0.9)


def test_is_distinguishes_types() -> None:
    assert Is(True).mismatch(True) is None
    assert Is(True).mismatch(1) is not None
    assert Is(0).mismatch(False) is not None


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("expected", "actual", "holds"),
    [
        (INF, 3.0, False),
        (INF, INF, True),
        (INF, -INF, False),
        (INF, NAN, False),
        (-INF, -INF, True),
        (NAN, NAN, True),
        (NAN, 3.0, False),
        (NAN, INF, False),
        (3.0, INF, False),
        (3.0, NAN, False),
        ([1.0, INF], [1.0, INF], True),
        ([1.0, INF], [INF, 1.0], False),
        ([1.0, INF], [1.1, INF], False),
        ([NAN, INF], [INF, NAN], False),
    ],
)
@pytest.mark.parametrize("kind", [Close, Unchanged])
def test_infinity_and_nan_must_be_the_same_at_the_same_place(
    kind: type[Close], expected: object, actual: object, holds: bool
) -> None:
    judge = kind(np.array(expected))
    assert judge.holds(np.array(actual)) is holds
    mismatch = judge.mismatch(np.array(actual))
    assert (mismatch is None) is holds
    assert mismatch is None or mismatch.margin > 1


def test_a_finite_number_where_infinity_belongs_is_a_difference_in_kind() -> None:
    mismatch = Close(np.array([1.0, INF])).mismatch(np.array([1.0, 3.0]))
    assert mismatch is not None
    assert mismatch.margin == INF
    assert "3 instead of inf" in mismatch.how


def test_a_subclass_of_value_error_is_a_value_error() -> None:
    class OutOfRange(ValueError):
        pass

    class WorseStill(OutOfRange):
        pass

    seen = raised(WorseStill("p"))
    assert seen.bases == ("OutOfRange", "ValueError", "Exception", "BaseException")
    assert Raises("ValueError").holds(seen)
    assert Raises("WorseStill").holds(seen)
    assert not Raises("TypeError").holds(seen)
    assert not Raises("ValueError").holds(raised(TypeError("p")))


def test_raises_compares_the_type() -> None:
    assert Raises("ValueError").mismatch(Raised("ValueError", "p")) is None
    assert Raises("ValueError").mismatch(Raised("TypeError", "p")) is not None
    assert Raises("ValueError").mismatch(None) is not None


def test_what_is_shown_is_bounded() -> None:
    assert len(show(np.arange(1e6)).splitlines()) <= 3
    assert len(show("x" * 10_000)) <= 240
    assert shorten("") == ""
    assert show(True) == "yes"
