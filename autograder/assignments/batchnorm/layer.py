"""What does a batch normalization layer do? Aspects of a forward function in both modes.

Everything is compared with ``torch.nn.functional.batch_norm`` in float64, on batches of 2 to 7 rows with
another number of features, so that axes, the two variances and the place of eps all show. Every aspect
also has a square case: a wrong axis raises elsewhere, and must not be mistaken for any other error.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.assignments.batchnorm import oracle
from autograder.assignments.batchnorm.running import (
    Array,
    Rng,
    Running,
    after,
    batch,
    expect_error,
    read,
    running_aspects,
    statistics,
    unchanged,
)
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Is, Unchanged
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array, attempt, parts
from autograder.student.networks.batchnorm import fresh
from autograder.student.work import in_turn

DEFAULTS = (0.1, 1e-5)  # momentum and eps, PyTorch's
MODES = ((True, "training"), (False, "evaluation"))


@dataclass(frozen=True)
class Result:
    """What a forward function returned."""

    out: Array
    cache: Any
    running: Running


def arguments(
    c: Case, x: Array | None = None, training: bool | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return copies of the arguments of a call on a case, or on another ``x`` or in another mode of it.

    momentum and eps are left to their defaults where the case does not name them.
    """
    settings = {k: c.given[k] for k in ("momentum", "eps") if k in c.given}
    given = (
        (c.x if x is None else x).copy(),
        c.gamma.copy(),
        c.beta.copy(),
        copy.deepcopy(c.running),
        c.training if training is None else training,
    )
    return given, settings


def taken(result: Any) -> Result:
    """Take apart what a forward function returned."""
    out, cache, running = parts(result, "out", "cache", "running")
    return Result(array(out, "out"), cache, read(running))


def call(f: Functions, c: Case) -> Result:
    """Call the student's forward function on a case."""
    given, settings = arguments(c)
    return taken(f[0](*given, **settings))


def expected(c: Case) -> tuple[Array, Running]:
    """Return PyTorch's output and running statistics for a case."""
    momentum, eps = c.given.get("momentum", DEFAULTS[0]), c.given.get("eps", DEFAULTS[1])
    return oracle.forward(c.x, c.gamma, c.beta, c.running, c.training, momentum, eps)


def case(rng: Rng, n: int, d: int, training: bool, where: str = "", **more: Any) -> Case:
    """Draw a call of the layer on ``n`` rows of ``d`` features; ``more`` replaces what is drawn."""
    given = {
        "x": batch(rng, n, d),
        "gamma": np.round(rng.uniform(0.5, 2, d) * rng.choice([-1.0, 1.0], d), 2),
        "beta": np.round(rng.uniform(0.5, 2, d) * rng.choice([-1.0, 1.0], d), 2),
        "running": statistics(rng, d),
        "training": training,
        **more,
    }
    words = ["training" if training else "evaluation", f"x of shape ({n}, {d})", where]
    show = ("x",) if n * d <= 6 else ()
    return Case(", ".join(word for word in words if word), given, show)


def plain(d: int) -> dict[str, Any]:
    """Return the gamma and beta that change nothing, and fresh running statistics."""
    return {"gamma": np.ones(d), "beta": np.zeros(d), "running": fresh(d)}


def forward_aspects() -> list[Aspect]:
    """Return what a forward function of batch normalization is scored for."""
    return [
        *training_aspects(),
        *running_aspects(by_forward=True),
        *evaluation_aspects(),
        eps_aspect(),
        *contract_aspects(),
    ]


@one_call
def observe_out(f: Functions, c: Case) -> Observation:
    """Call the forward function and return its output."""
    return {"out": call(f, c).out}


def expect_out(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect PyTorch's output."""
    return {"out": Close(expected(c)[0])}


def training_aspects() -> list[Aspect]:
    """Return what holds for the output in training mode."""

    def normal_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        note = "gamma = 1, beta = 0"
        shapes = [(2, 3), (4, 3), (3, 3), (5, 2)]
        if hidden:
            shapes = [(2, 4), (3, 5), (4, 4), (int(rng.integers(6, 20)), 5)]
        return [case(rng, n, d, True, note, **plain(d)) for n, d in shapes]

    def affine_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        shapes = [(2, 5), (4, 4), (3, 2)] if hidden else [(2, 3), (3, 3), (5, 2)]
        out = []
        for n, d in shapes:
            for training, _word in MODES:
                c = case(rng, n, d, training)
                out.append(Case(c.label, c.given, ("gamma", "beta")))
        return out

    def undoing_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        out = []
        # A single feature is a case of this aspect only.
        for n, d in [(3, 3), (7, 2), (3, 1)] if hidden else [(2, 3), (3, 3)]:
            c = case(rng, n, d, True, "gamma = sqrt(variance + eps), beta = mean")
            gamma, beta = oracle.undoing(c.x, DEFAULTS[1])
            out.append(Case(c.label, {**c.given, "gamma": gamma, "beta": beta}, c.show))
        return out

    @one_call
    def observe_affine(f: Functions, c: Case) -> Observation:
        d = c.x.shape[1]
        one = Case("", {**c.given, "gamma": np.ones(d), "beta": np.zeros(d)})
        calls = [arguments(c)[0], arguments(one)[0]]
        found = colocate(in_turn, f[:1], calls=calls, named=arguments(c)[1])
        out, x_hat = (taken(result).out for result in found)
        return {"out": out, "out for gamma = 1 and beta = 0": x_hat}

    def expect_affine(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        x_hat = seen["out for gamma = 1 and beta = 0"]
        if x_hat.shape != c.x.shape or not np.isfinite(x_hat).all():
            neutral = {"gamma": np.ones_like(c.gamma), "beta": np.zeros_like(c.beta)}
            x_hat = expected(Case("", {**c.given, **neutral}))[0]
        return {"out": Close(c.gamma * x_hat + c.beta)}

    return [
        Aspect(
            "normalization",
            N_("in training, out is (x - mean) / sqrt(biased variance + eps) of each column"),
            3,
            normal_cases,
            observe_out,
            expect_out,
            main=True,
        ),
        Aspect(
            "scale and shift",
            N_("gamma multiplies what was normalized, and beta is added"),
            2,
            affine_cases,
            observe_affine,
            expect_affine,
            contract=True,
        ),
        Aspect(
            "identity",
            N_("gamma = sqrt(variance + eps) and beta = mean give the input back"),
            1,
            undoing_cases,
            observe_out,
            expect_out,
            contract=True,
        ),
    ]


def evaluation_aspects() -> list[Aspect]:
    """Return what holds in evaluation mode."""

    def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        shapes = [(2, 5), (3, 3), (30, 4)] if hidden else [(2, 3), (4, 3), (3, 3)]
        return [case(rng, n, d, False) for n, d in shapes]

    @one_call
    def observe_rows(f: Functions, c: Case) -> Observation:
        calls = [arguments(c, row[None])[0] for row in c.x]
        found = colocate(in_turn, f[:1], calls=calls, named=arguments(c)[1])
        return {"out, row by row": np.stack([taken(result).out for result in found])}

    def expect_rows(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"out, row by row": Close(expected(c)[0][:, None])}

    @one_call
    def observe_evaluation(f: Functions, c: Case) -> Observation:
        result = call(f, c)
        running = {f"running {k} that is returned": v for k, v in result.running.items()}
        return {"out": result.out, **running}

    def expect_running(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {f"running {k} that is returned": Unchanged(v) for k, v in c.running.items()}

    return [
        Aspect(
            "evaluation",
            N_("in evaluation, x is normalized with the running statistics"),
            2,
            cases,
            observe_evaluation,
            expect_out,
            main=True,
        ),
        Aspect(
            "row by row",
            N_("in evaluation, a batch of one gives what its row gives in any other batch"),
            1,
            cases,
            observe_rows,
            expect_rows,
        ),
        Aspect(
            "evaluation learns nothing",
            N_("evaluation returns the running statistics as they were"),
            2,
            cases,
            observe_evaluation,
            expect_running,
            contract=True,
        ),
    ]


def eps_aspect() -> Aspect:
    """Return what holds for eps in both modes."""

    def eps_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        x, d = batch(rng, 3, 3), 3
        constant = x.copy()
        constant[:, 1] = 3.0
        eps = float(np.round(rng.uniform(0.1, 0.4), 2)) if hidden else 0.3
        return [
            case(rng, 3, d, True, f"eps = {eps:g}", **plain(d), x=x, eps=eps),
            case(rng, 3, d, True, "tiny variances", **plain(d), x=np.round(x / 300, 4)),
            case(rng, 3, d, True, "a constant column", **plain(d), x=constant),
            case(rng, 3, d, False, f"eps = {eps:g}", eps=eps),
        ]

    return Aspect(
        "eps",
        N_("eps is added to the variance, under the root, also where a column is constant"),
        2,
        eps_cases,
        observe_out,
        expect_out,
    )


def contract_aspects() -> list[Aspect]:
    """Return what holds of inputs, dtypes and errors."""

    def kept_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [case(rng, 3, 3, training) for training, _word in MODES]

    @one_call
    def observe_kept(f: Functions, c: Case) -> Observation:
        names = ("x", "gamma", "beta")
        given = {name: c.given[name].copy() for name in names}
        running = copy.deepcopy(c.running)
        f[0](*given.values(), running, c.training)
        return {**{f"{k} after the call": v for k, v in given.items()}, **after(running)}

    def expect_kept(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        given = {k: Unchanged(c.given[k]) for k in ("x", "gamma", "beta")}
        return {**{f"{k} after the call": v for k, v in given.items()}, **unchanged(c.running)}

    def dtype_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [
            of_dtype(case(rng, 3, 3, training, dtype), dtype)
            for dtype in ("float64", "float32")
            for training, _word in MODES
        ]

    @one_call
    def observe_dtype(f: Functions, c: Case) -> Observation:
        return {"dtype of out": str(call(f, c).out.dtype)}

    def expect_dtype(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"dtype of out": Is(str(c.x.dtype))}

    def single_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [case(rng, 1, 3, True)]

    def shape_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        out = []
        for training, word in MODES:
            c = case(rng, 4, 3, training)
            wrong: list[tuple[str, dict[str, Any]]] = [
                ("x of shape (3,)", {"x": c.x[0]}),
                ("x of shape (2, 4, 3)", {"x": np.stack([c.x] * 2)}),
                ("x of shape (4, 3), gamma of shape (1,)", {"gamma": np.ones(1)}),
                ("x of shape (4, 3), beta of shape (4, 1)", {"beta": np.ones((4, 1))}),
                ("x of shape (4, 3), running of shape (1,)", {"running": fresh(1)}),
            ]
            out += [Case(f"{word}, {label}", {**c.given, **w}) for label, w in wrong]
        return out

    @one_call
    def observe_invalid(f: Functions, c: Case) -> Observation:
        given = (c.x.copy(), c.gamma.copy(), c.beta.copy(), copy.deepcopy(c.running), c.training)
        return {"exception": attempt(lambda: f[0](*given))}

    return [
        Aspect(
            "inputs kept",
            N_("x, gamma, beta and the dict running are not modified"),
            1,
            kept_cases,
            observe_kept,
            expect_kept,
            contract=True,
        ),
        Aspect(
            "dtype",
            N_("float32 in, float32 out; float64 in, float64 out"),
            1,
            dtype_cases,
            observe_dtype,
            expect_dtype,
            contract=True,
        ),
        Aspect(
            "batch of one",
            N_("a batch of one raises ValueError in training: it has no spread"),
            1,
            single_cases,
            observe_invalid,
            expect_error,
            contract=True,
        ),
        Aspect(
            "invalid shapes",
            N_("an x that is not (N, D), or other arrays that are not (D,), raise ValueError"),
            1,
            shape_cases,
            observe_invalid,
            expect_error,
            contract=True,
        ),
    ]


def of_dtype(c: Case, dtype: str) -> Case:
    """Return a case with all its arrays in another dtype."""

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: convert(v) for k, v in value.items()}
        return value.astype(dtype) if isinstance(value, np.ndarray) else value

    return Case(c.label, {k: convert(v) for k, v in c.given.items()})
