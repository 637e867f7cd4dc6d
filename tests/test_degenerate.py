"""Does a function that does nothing of what was asked earn (nearly) nothing, in every check?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from autograder.engine.declare import Check
from autograder.engine.observe import Captured, kept_global_random_state
from autograder.engine.results import AspectResult, CheckResult
from autograder.engine.run import run_trials
from autograder.engine.scoring import share_of
from tests.conftest import FUNCTION_CHECKS, load_solution
from tests.degenerate import Functions, functions_of

MOST = 0.05
SEEDS = (None, 1)


def result_of(check: Check, functions: Functions, seed: int | None) -> CheckResult:
    """Return the result of a run, without looking for reasons."""
    complete: set[str] = set()
    trials: list = []
    with kept_global_random_state():
        run_trials(check, functions, seed, Captured(), trials, complete)
    failed = {t.aspect.name for t in trials if t.failed}
    aspects = tuple(
        AspectResult(a.name, a.says, a.weight, a.name not in failed, a.main, a.contract)
        for a in check.aspects
    )
    assert complete == {a.name for a in check.aspects}
    return CheckResult(
        check.name, check.assignment, "", seed is not None, aspects, partial=check.partial
    )


def runs_of(check: Check) -> Iterator[tuple[str, list[CheckResult]]]:
    for name, functions in functions_of(check.name):
        seeds = SEEDS if check.partial else SEEDS[:1]  # all or nothing: one run tells
        yield name, [result_of(check, functions, seed) for seed in seeds]


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_nothing_earns_nothing_and_contracts_are_declared(check: Check) -> None:
    """At most 5 % for each, and every aspect that one of them has is declared as contract."""
    earned, had = {}, set()
    n = 0
    for name, runs in runs_of(check):
        n += 1
        earned[name] = share_of(runs).value
        for aspect, *others in zip(*(run.aspects for run in runs), strict=True):
            if aspect.passed and all(other.passed for other in others):
                had.add(aspect.name)
    assert n >= 30  # the assignment's checks are all known to `functions_of`
    assert {name: share for name, share in earned.items() if share > MOST} == {}
    declared = {a.name for a in check.aspects if a.contract}
    scored = {a.name for a in check.aspects if a.weight}
    assert had & scored <= declared


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_the_right_functions_earn_everything(check: Check) -> None:
    solution = load_solution(check.assignment)
    functions = tuple(getattr(solution, name) for name in check.takes)
    assert share_of([result_of(check, functions, seed) for seed in SEEDS]).value == 1


def test_without_the_declarations_it_would_be_noticed() -> None:
    """The rule, not chance, is what keeps them at nothing."""
    check = next(c for c in FUNCTION_CHECKS if c.name == "dropout_forward")
    bare = dataclasses.replace(
        check, aspects=tuple(dataclasses.replace(a, contract=False) for a in check.aspects)
    )
    identity = (lambda x, p, training, rng: (x, None),)
    assert share_of([result_of(bare, identity, seed) for seed in SEEDS]).value > 0.3
    assert share_of([result_of(check, identity, seed) for seed in SEEDS]).value == 0
