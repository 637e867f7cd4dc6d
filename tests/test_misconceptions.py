"""Is every known mistake rejected, named, and far enough from right to be seen?"""

from __future__ import annotations

import pytest

from autograder.assignments import all_checks
from autograder.engine import diagnosis
from autograder.engine.declare import Check, Misconception
from autograder.engine.diagnosis import Trial
from autograder.engine.results import MAX_LINES, WIDTH
from autograder.engine.run import run_check, run_trials
from autograder.student.outcome import Captured
from tests.conftest import FUNCTION_CHECKS

MARGIN = 100
ENTRIES = [
    pytest.param(check, entry, id=f"{check.name}-{i}-{entry.id}")
    for check in FUNCTION_CHECKS
    for i, entry in enumerate(check.misconceptions())
]


def trials_of(check: Check, entry: Misconception, seed: int | None = None) -> list[Trial]:
    trials: list[Trial] = []
    run_trials(check, entry.functions, seed, Captured(), trials, set())
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
def test_catalogue_is_well_formed(check: Check) -> None:
    assert check.misconceptions()
    assert all(len(m.says) <= 300 for m in check.misconceptions())
    assert all(m.id.strip() == m.id for m in check.misconceptions())


@pytest.mark.parametrize("name", ["dropout_mask", "adam", "reduce_on_plateau"])
def test_names_do_not_depend_on_who_was_graded_before(name: str) -> None:
    check = all_checks()[name]
    diagnosis._on_public_cases.clear()
    for i in reversed(range(len(check.misconceptions()))):
        entry = check.misconceptions()[i]
        assert run_check(check, entry.functions).named[0].id == entry.id
