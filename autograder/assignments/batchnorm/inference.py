"""What remains of a trained layer? Aspects of counting its parameters and of folding it away."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograder.assignments.batchnorm import oracle
from autograder.assignments.batchnorm.layer import DEFAULTS
from autograder.assignments.batchnorm.running import Rng, after, expect_error, statistics, unchanged
from autograder.engine.colocate import one_call
from autograder.engine.compare import Close, Expectation, Unchanged
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array, attempt, parts
from autograder.student.outcome import WrongReturn

COUNTS = ("trainable", "non_trainable")
FOLDED = ("W", "b")


def count_aspects() -> list[Aspect]:
    """Return what ``count_parameters`` is scored for."""

    def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        stacks: list[list[int]] = [[1], [784], [784, 300, 100], [5, 5], []]
        if hidden:
            stacks += [[int(n) for n in rng.integers(1, 500, k)] for k in (2, 5)]
        return [Case(f"features = {stack}", {"features": stack}) for stack in stacks]

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        counts = parts(f[0](list(c.features)), *COUNTS)
        if not all(isinstance(n, int | float | np.number) for n in counts):
            raise WrongReturn(N_("trainable and non_trainable should be two integers"))
        return dict(zip(COUNTS, counts, strict=True))

    def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        counts = oracle.count_parameters(c.features)
        return {name: Close(n) for name, n in zip(COUNTS, counts, strict=True)}

    def invalid_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        stacks: list[list[int]] = [[0], [3, -2]] + ([[4, -int(rng.integers(1, 50))]] * hidden)
        return [Case(f"features = {stack}", {"features": stack}) for stack in stacks]

    @one_call
    def observe_invalid(f: Functions, c: Case) -> Observation:
        return {"exception": attempt(lambda: f[0](list(c.features)))}

    return [
        Aspect(
            "trainable",
            N_("gamma and beta of every feature of every layer are trained"),
            1,
            cases,
            observe,
            expect,
            judges=("trainable",),
            main=True,
        ),
        Aspect(
            "not trainable",
            N_("running mean and variance of every feature of every layer are kept, not trained"),
            1,
            cases,
            observe,
            expect,
            judges=("non_trainable",),
            main=True,
        ),
        Aspect(
            "invalid features",
            N_("a number of features below 1 raises ValueError"),
            1,
            invalid_cases,
            observe_invalid,
            expect_error,
            contract=True,
        ),
    ]


def fold_case(rng: Rng, n_in: int, n_out: int, where: str = "", **more: Any) -> Case:
    """Draw a linear layer and the batch normalization behind it; ``more`` replaces what is drawn."""
    signs = rng.choice([-1.0, 1.0], n_out)
    given = {
        "W": np.round(rng.standard_normal((n_in, n_out)), 2),
        "b": np.round(rng.uniform(0.5, 2, n_out), 2),
        "gamma": np.round(signs * rng.uniform(0.5, 2, n_out), 2),
        "beta": np.round(rng.uniform(0.5, 2, n_out), 2),
        "running": statistics(rng, n_out),
        "x": rng.standard_normal((4, n_in)),
        **more,
    }
    words = [f"W of shape ({n_in}, {n_out})", where]
    return Case(", ".join(word for word in words if word), given)


def fold_aspects() -> list[Aspect]:
    """Return what ``fold_batchnorm`` is scored for."""

    def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        more = [(1, 4), (6, 2), (int(rng.integers(2, 9)), 7)] if hidden else []
        return [fold_case(rng, n, m) for n, m in [(2, 3), (3, 3), (5, 2), *more]]

    def eps_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        eps = float(np.round(rng.uniform(0.1, 0.4), 2)) if hidden else 0.3
        tiny = {"mean": np.ones(3), "var": np.full(3, 1e-5)}
        return [
            fold_case(rng, 3, 3, f"eps = {eps:g}", eps=eps),
            fold_case(rng, 2, 3, "running variances of 1e-05", running=tiny),
        ]

    def call(f: Functions, given: Mapping[str, Any]) -> Observation:
        settings = {k: given[k] for k in ("eps",) if k in given}
        folded = f[0](*(given[k] for k in ("W", "b", "gamma", "beta", "running")), **settings)
        return {k: array(v, k) for k, v in zip(FOLDED, parts(folded, *FOLDED), strict=True)}

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        return call(f, copy.deepcopy(dict(c.given)))

    def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        eps = c.given.get("eps", DEFAULTS[1])
        folded = oracle.fold(c.W, c.b, c.gamma, c.beta, c.running, eps)
        return {k: Close(v) for k, v in zip(FOLDED, folded, strict=True)}

    @one_call
    def observe_out(f: Functions, c: Case) -> Observation:
        folded = observe(f, c)
        return {"x @ W + b with the folded W and b": c.x @ folded["W"] + folded["b"]}

    def expect_out(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        z = c.x @ c.W + c.b
        out, _running = oracle.forward(z, c.gamma, c.beta, c.running, False)
        return {"x @ W + b with the folded W and b": Close(out)}

    @one_call
    def observe_kept(f: Functions, c: Case) -> Observation:
        given = copy.deepcopy(dict(c.given))
        call(f, given)
        arrays = {k: given[k] for k in ("W", "b", "gamma", "beta")}
        return {
            **{f"{k} after the call": v for k, v in arrays.items()},
            **after(given["running"]),
        }

    def expect_kept(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        arrays = {k: c.given[k] for k in ("W", "b", "gamma", "beta")}
        return {
            **{f"{k} after the call": Unchanged(v) for k, v in arrays.items()},
            **unchanged(c.running),
        }

    def shape_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        good = fold_case(rng, 2, 3)
        wrong: dict[str, dict[str, Any]] = {
            "b of shape (1,)": {"b": np.ones(1)},
            "gamma of shape (2, 1)": {"gamma": np.ones((2, 1))},
            "W of shape (3,)": {"W": np.ones(3)},
        }
        return [Case(f"{good.label}, {k}", {**good.given, **v}) for k, v in wrong.items()]

    @one_call
    def observe_invalid(f: Functions, c: Case) -> Observation:
        return {"exception": attempt(lambda: call(f, copy.deepcopy(dict(c.given))))}

    return [
        Aspect(
            "weights and biases",
            N_("W and b are those that PyTorch's fuse_linear_bn_weights gives"),
            3,
            cases,
            observe,
            expect,
            main=True,
        ),
        Aspect(
            "same outputs",
            N_("the folded layer computes what linear and batch normalization compute together"),
            2,
            cases,
            observe_out,
            expect_out,
        ),
        Aspect(
            "eps",
            N_("eps is added to the running variance, under the root"),
            1,
            eps_cases,
            observe,
            expect,
        ),
        Aspect(
            "inputs kept",
            N_("the arrays of the trained network are not modified"),
            1,
            lambda rng, hidden: [fold_case(rng, 3, 3)],
            observe_kept,
            expect_kept,
            contract=True,
        ),
        Aspect(
            "invalid shapes",
            N_("W that is not (in, out), or other arrays that are not (out,), raise ValueError"),
            1,
            shape_cases,
            observe_invalid,
            expect_error,
            contract=True,
        ),
    ]
