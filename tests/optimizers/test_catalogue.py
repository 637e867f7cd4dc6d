"""Is the catalogue of optimizers complete, and does it tell mistakes apart?"""

from __future__ import annotations

import numpy as np
import pytest

from autograder.assignments import all_checks, checks
from autograder.assignments.optimizers import rules
from autograder.engine.run import run_check


def test_all_mistakes_of_a_function_are_in_the_catalogue() -> None:
    """O33 (a training loop) is the one that no function of the assignment can show."""
    ids = {m.id.split("-")[0] for c in checks("optimizers").values() for m in c.misconceptions()}
    assert {f"O{i}" for i in range(1, 38)} - {"O33"} <= ids


@pytest.mark.parametrize("name", rules.DEFAULTS)
def test_without_a_change_the_rules_of_the_catalogue_are_right(name: str) -> None:
    """So every entry is wrong for its own reason only."""
    for seed in (None, 1, 2):
        result = run_check(all_checks()[name], (rules.sound(name),), seed)
        assert result.passed, result.text()


def failing(check: str, function) -> tuple[list[str], list[str]]:
    result = run_check(all_checks()[check], (function,))
    return [a.name for a in result.aspects if not a.passed], [m.id for m in result.named]


def test_two_mistakes_at_once_are_both_named() -> None:
    def adam(
        param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False
    ):
        t = state.get("t", 0) + 1
        g = grad + weight_decay * param
        m = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
        v = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
        most = np.maximum(v / (1 - betas[1] ** t), state.get("most", 0))  # of the corrected v
        v_hat = most if amsgrad else v / (1 - betas[1] ** t)
        state.update(t=t, m=m, v=v, most=most)  # in the dict that was passed in
        return param - lr * m / (1 - betas[0] ** t) / (v_hat**0.5 + eps), state

    aspects, named = failing("adam", adam)
    assert aspects == ["amsgrad", "inputs kept"]
    assert set(named) == {"O31-maximum-of-corrected", "O24-changes-state"}


def test_the_form_of_keras_loses_only_where_it_differs() -> None:
    def momentum(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
        g = grad + weight_decay * param
        v = momentum * state["v"] - lr * (1 - dampening) * g if state else -lr * g
        return param + v, {"v": v}

    assert failing("momentum", momentum) == (["changing lr"], ["O4-lr-in-the-buffer"])


def test_a_mistake_in_the_values_costs_nothing_elsewhere() -> None:
    """State, inputs, dtype, integers and shapes are judged by themselves."""
    aspects, _named = failing("adam", rules.uphill(rules.sound("adam")))
    assert not {"state", "inputs kept", "dtype", "integers", "any shape"} & set(aspects)


def test_only_the_step_that_goes_wrong_is_shown() -> None:
    step = rules.sound("adam", family=rules.adam(correct=lambda b1, b2, t: (1 - b1**2, 1 - b2**2)))
    first = run_check(all_checks()["adam"], (step,)).failure
    assert [name for name, _value in first.given] == ["param before it", "gradient", "lr"]
    late = rules.sound("adam", count=lambda t: min(t + 1, 3))
    shown = run_check(all_checks()["adam"], (late,)).failure
    assert shown.what == "param after step 4 of 8"


@pytest.mark.parametrize(
    "refusal", [ValueError("only floats"), TypeError("cannot cast")], ids=["value", "type"]
)
def test_integers_may_be_refused(refusal) -> None:
    def sgd(param, grad, state, lr=1e-3, weight_decay=0.0):
        if param.dtype.kind != "f":
            raise refusal
        return param - lr * (grad + weight_decay * param), state

    assert run_check(all_checks()["sgd"], (sgd,)).passed


def test_raising_always_is_not_refusing() -> None:
    def sgd(param, grad, state, lr=1e-3, weight_decay=0.0):
        raise ValueError("no")

    assert "integers" in failing("sgd", sgd)[0]
    assert run_check(all_checks()["sgd"], (sgd,)).score == 0


def test_a_count_of_steps_that_all_parameters_share_is_named() -> None:
    count = 0

    def adamax(param, grad, state, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        nonlocal count
        count += 1
        m = betas[0] * state.get("m", 0) + (1 - betas[0]) * (grad + weight_decay * param)
        u = np.maximum(betas[1] * state.get("u", 0), np.abs(grad + weight_decay * param) + eps)
        return param - lr / (1 - betas[0] ** count) * m / u, {"m": m, "u": u}

    for _run in range(2):  # the second time the count does not even start at 0
        assert "O15-t-counts-all-parameters" in failing("adamax", adamax)[1]


@pytest.mark.parametrize(
    ("check", "idle", "most"),
    [
        ("adam", lambda param, grad, state, lr, **options: (param.copy(), {}), 0.0),
        ("clip_by_norm", lambda grads, max_norm: [g.copy() for g in grads], 0.25),
        ("clip_by_value", lambda grads, limit: [g.copy() for g in grads], 0.25),
        ("reduce_on_plateau", lambda lr, loss, state, **options: (lr, {}), 0.25),
        ("power_decay", lambda step, lr0, s, c=1.0: lr0, 0.25),
        ("one_cycle", lambda step, total_steps, max_lr, **options: max_lr, 0.25),
    ],
)
def test_a_function_that_does_nothing_earns_little(check: str, idle, most: float) -> None:
    assert run_check(all_checks()[check], (idle,)).score <= most
