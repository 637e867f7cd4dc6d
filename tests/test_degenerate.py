"""Does a function that does nothing of what was asked earn (nearly) nothing, in every check?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from autograder.engine.declare import Check
from autograder.engine.results import AspectResult, CheckResult
from autograder.engine.run import run_trials
from autograder.engine.scoring import share_of
from autograder.student.outcome import Captured, kept_global_random_state
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


@pytest.mark.parametrize("name", ["dropout_forward", "classic_dropout_forward"])
def test_refusing_p_of_1_costs_one_aspect(name: str) -> None:
    check = next(c for c in FUNCTION_CHECKS if c.name == name)
    right = getattr(load_solution("dropout"), name)

    def half_open(x, p, training, rng):
        if p == 1:
            raise ValueError("p must be below 1")
        return right(x, p, training, rng)

    for seed in SEEDS:
        made = result_of(check, (half_open,), seed)
        assert [a.name for a in made.aspects if not a.passed] == ["p = 0 and p = 1"]


def test_an_optimizer_for_one_dimension_loses_one_aspect() -> None:
    right = load_solution("optimizers").adam
    check = next(c for c in FUNCTION_CHECKS if c.name == "adam")

    def flat_only(param, *arguments, **options):
        if param.ndim > 1:
            raise IndexError("too many dimensions")
        return right(param, *arguments, **options)

    for seed in SEEDS:
        made = result_of(check, (flat_only,), seed)
        assert [a.name for a in made.aspects if not a.passed] == ["any shape"]


def test_one_feature_only_costs_little() -> None:
    right = load_solution("batchnorm").batchnorm_forward
    check = next(c for c in FUNCTION_CHECKS if c.name == "batchnorm_forward")

    def several(x, *arguments, **options):
        if x.ndim == 2 and x.shape[1] == 1:
            raise IndexError("no single feature")
        return right(x, *arguments, **options)

    failed = [a.name for a in result_of(check, (several,), 1).aspects if not a.passed]
    assert failed == ["identity", "running variance"]


def test_an_optimizer_that_keeps_all_gradients_is_right() -> None:
    def adam(
        param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False
    ):
        grads = [*state.get("grads", []), grad + weight_decay * param]
        m, v, most = 0.0, 0.0, 0.0
        for g in grads:
            m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
            most = np.maximum(most, v)
        c1, c2 = (1 - beta ** len(grads) for beta in betas)
        root = np.sqrt((most if amsgrad else v) / c2) + eps
        return param - lr * m / c1 / root, {"grads": grads}

    check = next(c for c in FUNCTION_CHECKS if c.name == "adam")
    assert all(result_of(check, (adam,), seed).passed for seed in SEEDS)
