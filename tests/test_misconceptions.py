"""Is every known mistake rejected, named, and far enough from right to be seen?"""

from __future__ import annotations

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.engine.declare import Check, Misconception
from autograder.engine.diagnosis import Trial
from autograder.engine.observe import Captured
from autograder.engine.results import MAX_LINES, WIDTH
from autograder.engine.run import run_check, run_trials

MARGIN = 100
FUNCTION_CHECKS = [c for c in all_checks().values() if c.name != "mnist_dropout"]
ENTRIES = [
    pytest.param(check, entry, id=f"{check.name}-{i}-{entry.id}")
    for check in FUNCTION_CHECKS
    for i, entry in enumerate(check.misconceptions())
]


def trials_of(check: Check, entry: Misconception, seed: int | None = None) -> list[Trial]:
    trials: list[Trial] = []
    run_trials(check, entry.functions, seed, Captured(), trials)
    return trials


@pytest.mark.parametrize(("check", "entry"), ENTRIES)
def test_every_entry_is_rejected_and_named(check: Check, entry: Misconception) -> None:
    """From its public cases alone, with a short message that shows a case."""
    result = run_check(check, entry.functions)
    assert not result.passed
    assert [m.id for m in result.named][:1] == [entry.id]
    text = result.text()
    lines = text.splitlines()
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= WIDTH
    assert "Smallest failing case" in text
    assert entry.says[:40] in " ".join(text.split())
    assert "Traceback" not in text


@pytest.mark.parametrize(("check", "entry"), ENTRIES)
def test_every_entry_differs_by_a_hundred_tolerances(check: Check, entry: Misconception) -> None:
    margins = [m.margin for t in trials_of(check, entry) for m in t.mismatches.values()]
    assert max(margins) >= MARGIN


@pytest.mark.parametrize(("check", "entry"), ENTRIES)
def test_every_entry_is_rejected_on_hidden_cases(check: Check, entry: Misconception) -> None:
    for seed in (1, 2**40 + 7):
        assert any(t.failed for t in trials_of(check, entry, seed))


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_catalogue_does_not_name_what_is_right(check: Check) -> None:
    """The reference entries of other checks' catalogues stay silent when nothing is wrong."""
    assert len(check.misconceptions()) >= 10
    assert all(len(m.says) <= 300 for m in check.misconceptions())
    assert all(m.id.strip() == m.id for m in check.misconceptions())


def test_all_dropout_mistakes_of_a_function_are_in_the_catalogue() -> None:
    """D26 (dropout at the wrong place of a network) is the one that no function can show."""
    ids = {m.id.split("-")[0] for c in FUNCTION_CHECKS for m in c.misconceptions()}
    assert {f"D{i}" for i in range(1, 26)} <= ids


def test_two_mistakes_at_once_are_both_named(solution) -> None:
    def forward(x, p, training, rng):
        if not 0 <= p <= 1:
            raise ValueError
        mask = (rng.random(x.shape) >= p).astype(x.dtype)  # not scaled
        return x * mask, mask  # and always on

    result = run_check(all_checks()["dropout_forward"], (forward,))
    assert {m.id for m in result.named} == {"D1-unscaled", "D8-active-in-evaluation"}


def test_another_seed_convention_loses_only_its_share(solution) -> None:
    def mask(shape, p, rng):
        if not 0 <= p <= 1:
            raise ValueError
        return np.zeros(shape) if p == 1 else (rng.random(shape) < 1 - p) / (1 - p)

    result = run_check(all_checks()["dropout_mask"], (mask,))
    assert [a.name for a in result.aspects if not a.passed] == ["convention"]
    assert result.named[0].id == "C1-kept-below-1-minus-p"
    assert "right law" in result.text()
