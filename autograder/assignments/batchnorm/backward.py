"""What does the backward pass do? Aspects of a forward and a backward function together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograder.assignments.batchnorm import oracle
from autograder.assignments.batchnorm.layer import (
    DEFAULTS,
    MODES,
    arguments,
    call,
    case,
    expected,
    of_dtype,
    taken,
)
from autograder.assignments.batchnorm.running import Array, Rng, batch
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Is, Unchanged
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array, parts
from autograder.student.work import passes

NAMES = ("dx", "dgamma", "dbeta")
SHAPES = ((3, 2), (4, 3))


def pair_case(rng: Rng, n: int, d: int, training: bool, where: str = "", **more: Any) -> Case:
    """Draw a forward call and an upstream gradient ``dout`` for it, of either sign and not centred."""
    dout = np.round(rng.standard_normal((n, d)) + rng.uniform(0.5, 1.5, d), 2)
    c = case(rng, n, d, training, where, dout=dout, **more)
    return Case(c.label, c.given)


def run(
    f: Functions, c: Case, *others: tuple[Any, ...], twice: bool = False
) -> tuple[list[Observation], Array]:
    """Call forward on a case, then on ``others``, then backward with the first cache, once or twice.

    Returns the gradients of each backward call, and the upstream gradient of the first, as it is in the end.
    """
    given, settings = arguments(c)
    douts = [c.dout.copy(), c.dout.copy()][: 1 + twice]
    forward, gradients, after = colocate(
        passes, f[:2], calls=[given, *others], named=settings, douts=douts
    )
    taken(forward[0])
    return [named(found) for found in gradients], after[0]


def named(gradients: Any) -> Observation:
    """Take apart what a backward function returned."""
    found = zip(NAMES, parts(gradients, *NAMES), strict=True)
    return {name: array(value, name) for name, value in found}


def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect PyTorch's gradients."""
    eps = c.given.get("eps", DEFAULTS[1])
    wanted = oracle.gradients(c.x, c.gamma, c.beta, c.running, c.training, eps, c.dout)
    return {name: Close(value) for name, value in zip(NAMES, wanted, strict=True)}


def backward_aspects() -> list[Aspect]:
    """Return what a backward function is scored for, together with the forward it belongs to."""
    return [*gradient_aspects(), *contract_aspects()]


def gradient_aspects() -> list[Aspect]:
    """Return what holds for the three gradients."""

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        (gradients,), _dout = run(f, c)
        return gradients

    @one_call
    def observe_forward(f: Functions, c: Case) -> Observation:
        return {"out of the forward pass": call(f, c).out}

    def expect_forward(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"out of the forward pass": Close(expected(c)[0])}

    def forward_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [pair_case(rng, 4, 3, training) for training, _word in MODES]

    def training_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        others = ((3, 5), (4, 4), (6, 2), (int(rng.integers(3, 12)), 5))
        return [pair_case(rng, n, d, True) for n, d in (others if hidden else SHAPES)]

    def eps_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        eps = float(np.round(rng.uniform(0.1, 0.4), 2)) if hidden else 0.3
        constant = batch(rng, 4, 3)
        constant[:, 1] = 3.0
        return [
            pair_case(rng, 4, 3, True, f"eps = {eps:g}", eps=eps),
            pair_case(rng, 3, 4, False, f"eps = {eps:g}", eps=eps),
            pair_case(rng, 4, 3, True, "a constant column, eps = 0.3", x=constant, eps=0.3),
        ]

    def evaluation_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        shapes = [(9, 4), (3, 3), (1, 3)] if hidden else [*SHAPES, (1, 3)]
        return [pair_case(rng, n, d, False) for n, d in shapes]

    def later_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        where = "other forward calls in both modes before the backward call"
        shapes = [(4, 3), (6, 1)] if hidden else [(4, 3)]  # a single feature only here
        return [pair_case(rng, *s, training, where) for s in shapes for training, _word in MODES]

    @one_call
    def observe_later(f: Functions, c: Case) -> Observation:
        modes = (c.training, not c.training)
        (gradients,), _dout = run(f, c, *(arguments(c, c.x[::-1] * 2 + 1, m)[0] for m in modes))
        return gradients

    return [
        Aspect(
            "forward pass",
            N_("the forward pass is right (scored in its own check)"),
            0,
            forward_cases,
            observe_forward,
            expect_forward,
        ),
        Aspect(
            "dbeta",
            N_("dbeta is the sum of dout over the batch"),
            1,
            training_cases,
            observe,
            expect,
            judges=("dbeta",),
        ),
        Aspect(
            "dgamma",
            N_("dgamma is the sum of dout * x_hat over the batch"),
            2,
            training_cases,
            observe,
            expect,
            judges=("dgamma",),
        ),
        Aspect(
            "dx",
            N_("in training, dx also runs through the batch's mean and variance"),
            4,
            training_cases,
            observe,
            expect,
            judges=("dx",),
            main=True,
        ),
        Aspect(
            "eps",
            N_("the gradients contain the eps that the forward pass was given"),
            1,
            eps_cases,
            observe,
            expect,
        ),
        Aspect(
            "evaluation",
            N_("in evaluation, mean and variance are constants"),
            2,
            evaluation_cases,
            observe,
            expect,
        ),
        Aspect(
            "cache",
            N_("the gradients belong to the forward call that made the cache, and to its mode"),
            1,
            later_cases,
            observe_later,
            expect,
        ),
    ]


def contract_aspects() -> list[Aspect]:
    """Return what holds of inputs and dtypes."""

    def mode_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [pair_case(rng, 4, 3, training, "backward called twice") for training, _w in MODES]

    @one_call
    def observe_twice(f: Functions, c: Case) -> Observation:
        (first, second), dout = run(f, c, twice=True)
        return {
            "dout after the call": dout,
            "a second backward call gives the same": all(
                np.array_equal(first[name], second[name]) for name in NAMES
            ),
        }

    def expect_twice(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {
            "dout after the call": Unchanged(c.dout),
            "a second backward call gives the same": Is(True),
        }

    def dtype_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [
            of_dtype(pair_case(rng, 4, 3, training, dtype), dtype)
            for dtype in ("float64", "float32")
            for training, _word in MODES
        ]

    @one_call
    def observe_dtype(f: Functions, c: Case) -> Observation:
        (gradients,), _dout = run(f, c)
        return {"dtype of dx": str(gradients["dx"].dtype)}

    def expect_dtype(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"dtype of dx": Is(str(c.dout.dtype))}

    return [
        Aspect(
            "input kept",
            N_("dout is not modified, and the same cache gives the same gradients again"),
            1,
            mode_cases,
            observe_twice,
            expect_twice,
            contract=True,
        ),
        Aspect(
            "dtype",
            N_("float32 gradients stay float32, float64 stay float64"),
            1,
            dtype_cases,
            observe_dtype,
            expect_dtype,
            contract=True,
        ),
    ]
