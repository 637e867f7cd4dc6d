"""Does a generator draw the numbers that it was built to draw?"""

from __future__ import annotations

import numpy as np
import pytest

from autograder.engine.replay import MAX_DOUBLES, generator_drawing, generator_keeping, same_stream


def test_draws_the_given_doubles_exactly() -> None:
    doubles = np.random.default_rng(0).random(MAX_DOUBLES)
    assert np.array_equal(generator_drawing(doubles).random(MAX_DOUBLES), doubles)


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.95])
def test_keeps_the_given_units(p: float) -> None:
    keep = np.random.default_rng(1).random((5, 7)) >= p
    assert np.array_equal(generator_keeping(keep, p).random((5, 7)) >= p, keep)


def test_works_through_other_methods_that_draw_doubles() -> None:
    keep = np.random.default_rng(2).random(20) >= 0.3
    assert np.array_equal(generator_keeping(keep, 0.3).uniform(size=20) >= 0.3, keep)
    one_by_one = generator_keeping(keep, 0.3)
    assert [one_by_one.random() >= 0.3 for _ in range(20)] == keep.tolist()


def test_refuses_what_it_cannot_replay() -> None:
    with pytest.raises(ValueError, match="at most 312"):
        generator_drawing(np.zeros(MAX_DOUBLES + 1))
    with pytest.raises(ValueError, match="must lie in"):
        generator_drawing(np.array([1.0]))


def test_same_stream_advances_neither() -> None:
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    assert same_stream(one, other)
    assert one.random() == other.random()
    other.random()
    assert not same_stream(one, other)
