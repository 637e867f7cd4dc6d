"""What does the backward pass of dropout do? Aspects of a forward and a backward function together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autograder.assignments.dropout import oracle
from autograder.assignments.dropout.layer import (
    FORWARD,
    RATES,
    Array,
    Call,
    Rng,
    asking,
    inputs,
    other_rates,
    seeded,
)
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Is, Unchanged, Within
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array
from autograder.engine.replay import generator_keeping
from autograder.student.generators import copied
from autograder.student.work import passes

DROPPED = "share of units that the forward pass drops"
MANY = (25, 40)  # units by which that share is judged
# A gradient cannot be right for a forward pass that drops everything or nothing: there it is zero, or dout.


def backward_aspects() -> list[Aspect]:
    """Return what a backward function is scored for, together with the forward it belongs to."""

    def pair_case(
        rng: Rng, shape: tuple[int, ...], p: float, training: bool, where: str, zeros: bool = False
    ) -> Case:
        x, dout = inputs(rng, shape), inputs(rng, shape)
        if zeros:
            x.flat[:: 2 if x.size > 1 else 1] = 0.0
        given = {"x": x, "dout": dout, "p": p, "rng": seeded(rng), "training": training}
        label = f"p = {p:g}, x of shape {shape}, {where}"
        return Case(label, given, ("dout",) if x.size <= 12 else ())

    def run(
        f: Functions, c: Case, *more: Call, twice: bool = False
    ) -> tuple[NDArray[np.bool_], list[Array], Array, NDArray[np.bool_]]:
        """Call forward on the case, then ``more``, then backward.

        Returns the units that were kept, dx (once or twice), the first upstream gradient as it is in the end,
        and the units that were kept in the last of the forward calls.
        """
        first = [asking(c.x, c.p, c.rng)] if c.training else []
        if c.given.get("many"):
            more = (*more, (np.ones(MANY), c.p, True, copied(c.rng)))
        calls = [*first, (c.x.copy(), c.p, c.training, copied(c.rng)), *more]
        douts = [c.dout.copy(), c.dout.copy()][: 1 + twice]
        forward, gradients, after = colocate(
            passes, f[:2], calls=calls, named={}, douts=douts, which=len(first)
        )
        outs = [FORWARD.read(out) for out in [*forward[: len(first) + 1], forward[-1]]]
        keep = outs[0] != 0 if c.training else np.ones(c.x.shape, dtype=bool)
        return keep, [array(dx, "dx") for dx in gradients], after[0], outs[-1] != 0

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        keep, (dx,), _dout, many = run(f, c)
        return {"dx": dx, "keep": keep, DROPPED: float(1 - many.mean()) if many.size else 0.0}

    def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        if not c.training:
            return {"dx": Close(oracle.evaluation(c.x, c.p, c.dout)[1])}
        keep = seen["keep"] if seen["keep"].shape == c.x.shape else np.ones(c.x.shape, dtype=bool)
        if c.p in (0.0, 1.0):
            keep = np.full(c.x.shape, c.p == 0)
        seed = c.given.get("torch_seed")
        if seed is not None and np.array_equal(keep, c.given["torch_keep"]):
            dx = oracle.torch_dropout(c.x, c.p, seed, c.dout)[1]
        else:
            dx = oracle.dropout_given_mask(c.x, keep, c.p, c.dout)[1]
        if not c.given.get("many"):
            return {"dx": Close(dx)}
        rarer = min(c.p, 1 - c.p)
        return {DROPPED: Within(rarer / 4, 1 - rarer / 4), "dx": Close(dx)}

    def training_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        cases = []
        for shape in [(2, 3), (3, 2, 7)] if hidden else [(2, 3), (4, 5)]:
            for p in other_rates(rng) if hidden else RATES:
                cases.append(pair_case(rng, shape, p, True, "training"))
                seed = int(rng.integers(2**31))
                keep = oracle.torch_keep_mask(shape, p, seed)
                own = pair_case(rng, shape, p, True, "training, PyTorch's own mask")
                replay = {"rng": generator_keeping(keep, p), "torch_seed": seed, "torch_keep": keep}
                cases.append(Case(own.label, {**own.given, **replay}, own.show))
        return [
            replace(c, given={**c.given, "many": c.given.get("torch_seed") is None}) for c in cases
        ]

    def zero_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        where = "training, every second x is 0"
        shapes = [(2, 3), (9, 4) if hidden else (4, 5)]
        return [pair_case(rng, s, p, True, where, zeros=True) for s in shapes for p in RATES]

    def evaluation_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [pair_case(rng, (2, 3), p, False, "evaluation") for p in RATES]

    def edge_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [pair_case(rng, (2, 3), p, True, "training") for p in (0.0, 1.0)]

    @one_call
    def observe_later(f: Functions, c: Case) -> Observation:
        later = [(c.x.copy(), c.p, mode, np.random.default_rng(0)) for mode in (True, False)]
        keep, (first, second), dout, _many = run(f, c, *later, twice=True)
        return {
            "dx": first,
            "keep": keep,
            "dout after the call": dout,
            "a second backward call gives the same dx": bool(np.array_equal(first, second)),
        }

    def later_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        where = "two other forward calls before the backward call"
        return [
            pair_case(rng, (2, 3), p, training, f"{mode}, {where}")
            for training, mode in ((True, "training"), (False, "evaluation"))
            for p in RATES
        ]

    def expect_twice(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {
            "dout after the call": Unchanged(c.dout),
            "a second backward call gives the same dx": Is(True),
        }

    def dtype_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        cases = []
        for dtype in ("float64", "float32"):
            c = pair_case(rng, (2, 3), 0.2, True, f"training, {dtype}")
            arrays = {"x": c.x.astype(dtype), "dout": c.dout.astype(dtype)}
            cases.append(Case(c.label, {**c.given, **arrays}, ()))
        return cases

    @one_call
    def observe_dtype(f: Functions, c: Case) -> Observation:
        _keep, (dx,), _dout, _many = run(f, c)
        return {"dtype of dx": str(dx.dtype)}

    def expect_dtype(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"dtype of dx": Is(str(c.dout.dtype))}

    @one_call
    def observe_forward(f: Functions, c: Case) -> Observation:
        call = c.x.copy(), c.p, c.training, copied(c.rng)
        ones, out = FORWARD.draw_all(f, asking(c.x, c.p, c.rng), call)
        return {"out of the forward pass": out, "keep": ones != 0}

    def expect_forward(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        keep = seen["keep"] if seen["keep"].shape == c.x.shape else np.ones(c.x.shape, dtype=bool)
        out = oracle.forward_given_mask(c.x, keep, c.p) if c.training else c.x
        return {"out of the forward pass": Close(out)}

    def forward_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        modes = ((True, "training"), (False, "evaluation"))
        cases = [pair_case(rng, (2, 3), p, mode, word) for mode, word in modes for p in RATES]
        return [Case(c.label, c.given, ("x",)) for c in cases]

    return [
        Aspect(
            "forward pass",
            N_("the forward pass is right for the mask that it drew (scored in its own check)"),
            0,
            forward_cases,
            observe_forward,
            expect_forward,
        ),
        Aspect(
            "training",
            N_("in training, dx equals PyTorch's gradient for the same mask"),
            3,
            training_cases,
            observe,
            expect,
            main=True,
        ),
        Aspect(
            "zero inputs",
            N_("a kept unit passes its gradient on even where x is exactly 0"),
            1,
            zero_cases,
            observe,
            expect,
            contract=True,
        ),
        Aspect(
            "evaluation",
            N_("in evaluation, dx equals dout"),
            2,
            evaluation_cases,
            observe,
            expect,
            contract=True,
        ),
        Aspect(
            "p = 0 and p = 1",
            N_("dx equals dout at p = 0 and is zero at p = 1"),
            1,
            edge_cases,
            observe,
            expect,
            contract=True,
        ),
        Aspect(
            "cache",
            N_(
                "the gradient belongs to the forward call that made the cache, not to the latest one"
            ),
            1,
            later_cases,
            observe_later,
            expect,
            contract=True,
        ),
        Aspect(
            "input kept",
            N_("dout is not modified, and the same cache gives the same dx again"),
            1,
            later_cases,
            observe_later,
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
