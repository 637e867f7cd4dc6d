"""Is the catalogue of dropout complete, and does it tell mistakes apart?"""

from __future__ import annotations

import numpy as np

from autograder.assignments import all_checks, checks
from autograder.engine.run import run_check


def test_all_dropout_mistakes_of_a_function_are_in_the_catalogue() -> None:
    """D26 (dropout at the wrong place of a network) is the one that no function can show."""
    ids = {m.id.split("-")[0] for c in checks("dropout").values() for m in c.misconceptions()}
    assert {f"D{i}" for i in range(1, 26)} <= ids


def test_two_mistakes_at_once_are_both_named() -> None:
    def forward(x, p, training, rng):
        if not 0 <= p <= 1:
            raise ValueError
        mask = (rng.random(x.shape) >= p).astype(x.dtype)  # not scaled
        return x * mask, mask  # and always on

    result = run_check(all_checks()["dropout_forward"], (forward,))
    assert {m.id for m in result.named} == {"D1-unscaled", "D8-active-in-evaluation"}


def test_another_seed_convention_loses_only_its_share() -> None:
    def mask(shape, p, rng):
        if not 0 <= p <= 1:
            raise ValueError
        return np.zeros(shape) if p == 1 else (rng.random(shape) < 1 - p) / (1 - p)

    result = run_check(all_checks()["dropout_mask"], (mask,))
    assert [a.name for a in result.aspects if not a.passed] == ["convention"]
    assert result.named[0].id == "C1-kept-below-1-minus-p"
    assert "right law" in result.text()
