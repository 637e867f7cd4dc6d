"""What does a dropout layer do? Aspects of every student function that drops units.

The mask of dropout is random, so most aspects do not prescribe it: the units that a function keeps are
found by calling it on ones with a copy of the generator, and PyTorch computes what the output must be
*for those units*. Only the aspect "convention" asks for one particular mask, and with it for PyTorch's
own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.assignments.dropout import oracle
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Is, Raises, Unchanged, Within
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array, attempt, parts
from autograder.engine.replay import generator_keeping, same_stream
from autograder.student.generators import copied
from autograder.student.work import in_turn

Array = NDArray[Any]
Rng = np.random.Generator
Call = tuple[Array, float, bool, Rng]
"""x, p, training and rng of a call."""

COUNTS = (
    12  # equal numbers of dropped units in so many calls: by chance in fewer than 1 of 10^7 cases
)
RATES = (0.2, 0.7)  # p = 0.5 hides three of the commonest errors


@dataclass(frozen=True)
class Layer:
    """How to call one of the student's functions as a dropout layer.

    ``arguments`` turns a :data:`Call` into the arguments of the function, ``read`` takes the output from what it
    returned; ``inverted`` tells whether kept units are scaled by 1/(1-p) in training; ``variable`` is what the
    student calls the output.
    """

    arguments: Callable[..., tuple[Any, ...]]
    read: Callable[[Any], Array]
    variable: str
    inverted: bool = True
    has_modes: bool = True

    def draw(self, f: Functions, x: Array, p: float, training: bool, rng: Rng) -> Array:
        """Call the function and return its output."""
        return self.read(f[0](*self.arguments(x, p, training, rng)))

    def draw_all(self, f: Functions, *calls: Call) -> list[Array]:
        """Make several calls, one after the other, and return their outputs."""
        given = [self.arguments(*call) for call in calls]
        return [self.read(result) for result in colocate(in_turn, f[:1], calls=given, named={})]


def _as_given(*call: Any) -> tuple[Any, ...]:
    return call


def _out_of_pair(result: Any) -> Array:
    return array(parts(result, "out", "cache")[0], "out")


MASK = Layer(
    lambda x, p, training, rng: (x.shape, p, rng),
    lambda result: array(result, "mask"),
    "mask",
    has_modes=False,
)
FORWARD = Layer(_as_given, _out_of_pair, "out")
CLASSIC = Layer(_as_given, lambda result: array(result, "out"), "out", inverted=False)


def inputs(rng: Rng, shape: tuple[int, ...], dtype: str = "float64") -> Array:
    """Draw values between 0.5 and 2 in size, of either sign, none of them zero."""
    return np.asarray(rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape), dtype=dtype)


def asking(x: Array, p: float, rng: Rng) -> Call:
    """Return the call that tells which units are kept for this state of the generator: on ones."""
    return np.ones_like(x), p, True, copied(rng)


def other_rates(rng: Rng) -> tuple[float, float]:
    """Draw a small and a large p, neither near 0.5."""
    return float(rng.uniform(0.05, 0.4)), float(rng.uniform(0.6, 0.95))


def case(layer: Layer, x: Array, p: float, rng: Rng, where: str = "", **more: Any) -> Case:
    """Describe a call of the layer on ``x``."""
    shape = f"shape {x.shape}" if layer is MASK else f"x of shape {x.shape}"
    label = f"p = {p:g}, {shape}" + (f", {where}" if where else "")
    show = () if layer is MASK or x.size > 12 else ("x",)
    return Case(label, {"x": x, "p": p, "rng": rng, **more}, show)


def seeded(rng: Rng) -> Rng:
    """Return a new generator of the usual kind, seeded from ``rng``."""
    return np.random.default_rng(int(rng.integers(2**31)))


def random_layer_aspects(layer: Layer) -> list[Aspect]:
    """Return what every function that drops units is scored for, whatever it is called."""
    v = layer.variable

    def scaling_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        out = []
        for shape in [(2, 3), (7, 1, 9)] if hidden else [(2, 3), (4, 5)]:
            for p in other_rates(rng) if hidden else RATES:
                x = np.ones(shape) if layer is MASK else inputs(rng, shape)
                free = {"torch_seed": None, "keep": None}
                out.append(case(layer, x, p, seeded(rng), "training", **free))
                seed = int(rng.integers(2**31))
                keep = oracle.torch_keep_mask(shape, p, seed)
                replay = generator_keeping(keep, p)
                where = "training, PyTorch's own mask"
                out.append(case(layer, x, p, replay, where, torch_seed=seed, keep=keep))
        return out

    @one_call
    def observe_output(f: Functions, c: Case) -> Observation:
        call = c.x.copy(), c.p, True, copied(c.rng)
        ones, out = layer.draw_all(f, asking(c.x, c.p, c.rng), call)
        return {v: out, "kept units": (ones != 0).astype(int)}

    def expect_output(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        keep = seen["kept units"] == 1
        if keep.shape != c.x.shape:
            keep = np.ones(c.x.shape, dtype=bool)
        is_torchs = c.torch_seed is not None and np.array_equal(keep, c.given["keep"])
        if is_torchs and layer.inverted:
            return {v: Close(oracle.torch_forward(c.x, c.p, c.torch_seed))}
        return {v: Close(oracle.forward_given_mask(c.x, keep, c.p, layer.inverted))}

    def expect_keep(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        keep = c.given["keep"]
        if keep is None:
            keep = oracle.keep_mask(c.x.shape, c.p, copied(c.rng))
        return {"kept units": Close(keep.astype(int))}

    def many_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        rates = other_rates(rng) if hidden else RATES
        return [case(layer, np.ones((300, 40)), p, seeded(rng), "training") for p in rates]

    def expect_share(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        six_sigma = 6 * np.sqrt(c.p * (1 - c.p) / c.x.size)
        return {"share of dropped units": Within(c.p - six_sigma, c.p + six_sigma)}

    @one_call
    def observe_many(f: Functions, c: Case) -> Observation:
        source, small = copied(c.rng), np.ones((4, 5))
        calls = [(small.copy(), c.p, True, seeded(source)) for _ in range(COUNTS)]
        out, *others = layer.draw_all(f, (c.x.copy(), c.p, True, copied(c.rng)), *calls)
        dropped = out == 0
        ratio = out / c.x if out.shape == c.x.shape else np.zeros(0)
        factors = np.unique(np.round(ratio[ratio != 0], 6))
        counts = [int((other == 0).sum()) for other in others]
        rows = dropped.reshape(len(dropped), -1) if dropped.ndim else dropped.reshape(1, 1)
        per_row = rows.sum(axis=1)
        return {
            "different factors among the units that are not zero": len(factors),
            "share of dropped units": float(dropped.mean()),
            "all samples lose the same units": bool((rows == rows[:1]).all()),
            "a sample loses all its units or none": bool((rows == rows[:, :1]).all()),
            "the same number of units is dropped every time": len(set(counts)) == 1
            or len(set(per_row.tolist())) == 1,
        }

    def expect_independence(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {what: Is(False) for what, value in seen.items() if isinstance(value, bool)}

    def expect_values(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"different factors among the units that are not zero": Within(0, 1)}

    def fresh_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [
            case(layer, np.ones((8, 10)), p, seeded(rng), "training, called twice") for p in RATES
        ]

    def observe_fresh(f: Functions, c: Case) -> Observation:
        rng, before = copied(c.rng), np.random.get_state()
        first = layer.draw(f, c.x.copy(), c.p, True, rng)
        second = layer.draw(f, c.x.copy(), c.p, True, rng)
        after = np.random.get_state()
        return {
            "draws from the rng you are given": not same_stream(rng, c.rng),
            "second mask equals the first": bool(np.array_equal(first, second, equal_nan=True)),
            "changes NumPy's global random state": not all(
                np.array_equal(a, b) for a, b in zip(before, after, strict=True)
            ),
        }

    def expect_fresh(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {
            "draws from the rng you are given": Is(True),
            "second mask equals the first": Is(False),
            "changes NumPy's global random state": Is(False),
        }

    scale = "1 / (1 - p)" if layer.inverted else "1"
    scaling_says = {
        "mask": N_("the mask is 1 / (1 - p) where a unit is kept and 0 where it is dropped"),
        "1 / (1 - p)": N_("kept units are x / (1 - p), as PyTorch gives for the same mask"),
        "1": N_("in training, kept units are left exactly as they are"),
    }["mask" if layer is MASK else scale]
    return [
        Aspect(
            "scaling",
            scaling_says,
            3,
            scaling_cases,
            observe_output,
            expect_output,
            main=True,
            contract=True,  # where everything is dropped there is nothing to scale
        ),
        Aspect(
            "zeros",
            N_("every unit is either exactly zero or scaled by one common factor"),
            1,
            many_cases,
            observe_many,
            expect_values,
            contract=True,
        ),
        Aspect(
            "fresh",
            N_("every call draws a new mask"),
            1,
            fresh_cases,
            observe_fresh,
            expect_fresh,
            judges=("second mask equals the first",),
            main=True,
            contract=True,  # noise does so too
        ),
        Aspect(
            "given rng",
            N_("the mask is drawn from the given rng and from nothing else"),
            1,
            fresh_cases,
            observe_fresh,
            expect_fresh,
            judges=(
                "draws from the rng you are given",
                "changes NumPy's global random state",
            ),
            contract=True,
        ),
        Aspect(
            "independence",
            N_("each unit of each sample is dropped independently of all others"),
            2,
            many_cases,
            observe_many,
            expect_independence,
        ),
        Aspect(
            "share",
            N_("a unit is dropped with probability p"),
            2,
            many_cases,
            observe_many,
            expect_share,
            main=True,
        ),
        Aspect(
            "convention",
            N_(
                "a unit is kept where rng.random(shape) >= p, so a replayed PyTorch mask is matched"
            ),
            1,
            scaling_cases,
            observe_output,
            expect_keep,
        ),
    ]


def edge_aspects(layer: Layer) -> list[Aspect]:
    """Return what holds at p = 0 and p = 1, for invalid p, and for all shapes and dtypes."""
    v = layer.variable

    def edge_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        calls = [(0.0, True), (1.0, True)] + [(1.0, False)] * layer.has_modes
        words = {True: "training", False: "evaluation"}
        return [
            case(layer, inputs(rng, (2, 3)), p, seeded(rng), words[mode], training=mode)
            for p, mode in calls
        ]

    @one_call
    def observe_edge(f: Functions, c: Case) -> Observation:
        out = layer.draw(f, c.x.copy(), c.p, c.training, copied(c.rng))
        return {v: out, f"{v} holds numbers only, no NaN": bool(np.isfinite(out).all())}

    def expect_edge(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        if not c.training:  # the value is the matter of the aspect "evaluation"
            return {f"{v} holds numbers only, no NaN": Is(True)}
        x = np.ones(c.x.shape) if layer is MASK else c.x
        keep = np.full(c.x.shape, c.p == 0)
        return {v: Close(oracle.forward_given_mask(x, keep, c.p, layer.inverted))}

    def invalid_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        rates = [-0.1, 1.5]
        if hidden:
            rates = [-float(rng.uniform(0.01, 9)), float(rng.uniform(1.01, 9))]
        modes = (True, False) if layer.has_modes else (True,)
        words = {True: "training", False: "evaluation"}
        return [
            case(layer, inputs(rng, (2, 3)), p, seeded(rng), words[mode], training=mode)
            for p in rates
            for mode in modes
        ]

    @one_call
    def observe_invalid(f: Functions, c: Case) -> Observation:
        call = lambda: layer.draw(f, c.x.copy(), c.p, c.training, copied(c.rng))  # noqa: E731
        return {"exception": attempt(call)}

    def expect_invalid(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"exception": Raises("ValueError")}

    def shape_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        shapes: list[tuple[int, ...]] = [(5,), (2, 3, 4), (0, 3), ()]
        if hidden:
            shapes = [
                (1, 1),
                (0, 3),
                (),
                (2, 1, 3, 2),
                tuple(int(n) for n in rng.integers(1, 5, 3)),
            ]
        return [case(layer, inputs(rng, shape), 0.2, seeded(rng), "training") for shape in shapes]

    @one_call
    def observe_shape(f: Functions, c: Case) -> Observation:
        out = layer.draw(f, c.x.copy(), c.p, True, copied(c.rng))
        return {f"shape of {v}": str(out.shape)}

    def expect_shape(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {f"shape of {v}": Is(str(c.x.shape))}

    return [
        Aspect(
            "p = 0 and p = 1",
            N_("nothing is dropped at p = 0, everything at p = 1, and no NaN appears"),
            1,
            edge_cases,
            observe_edge,
            expect_edge,
        ),
        Aspect(
            "invalid p",
            N_("p outside [0, 1] raises ValueError"),
            1,
            invalid_cases,
            observe_invalid,
            expect_invalid,
            contract=True,
        ),
        Aspect(
            "any shape",
            N_("arrays of every shape work"),
            1,
            shape_cases,
            observe_shape,
            expect_shape,
            contract=True,
        ),
    ]


def mode_aspects(layer: Layer) -> list[Aspect]:
    """Return what holds for a function that has a training and an evaluation mode."""
    v = layer.variable

    def evaluation_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        rates = other_rates(rng) if hidden else RATES  # p = 1 has its own aspect
        return [case(layer, inputs(rng, (2, 3)), p, seeded(rng), "evaluation") for p in rates]

    @one_call
    def observe_evaluation(f: Functions, c: Case) -> Observation:
        rng = copied(c.rng)
        out = layer.draw(f, c.x.copy(), c.p, False, rng)
        return {v: out, "draws random numbers in evaluation": not same_stream(rng, c.rng)}

    def expect_evaluation(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        identity, _dx = oracle.evaluation(c.x, c.p, c.x)
        return {v: Close(identity if layer.inverted else identity * (1 - c.p))}

    def expect_draws(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"draws random numbers in evaluation": Is(False)}

    def both_modes(rng: Rng, hidden: bool) -> Sequence[Case]:
        cases = [
            case(layer, inputs(rng, (2, 3), dtype), 0.2, seeded(rng), where, training=training)
            for dtype in ("float64", "float32")
            for training, where in ((True, f"training, {dtype}"), (False, f"evaluation, {dtype}"))
        ]
        return [c if c.x.dtype == "float64" else replace(c, only="dtype") for c in cases]

    @one_call
    def observe_both(f: Functions, c: Case) -> Observation:
        x = c.x.copy()
        out = layer.draw(f, x, c.p, c.training, copied(c.rng))
        return {"x after the call": x, f"dtype of {v}": str(out.dtype)}

    def expect_input(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"x after the call": Unchanged(c.x)}

    def expect_dtype(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {f"dtype of {v}": Is(str(c.x.dtype))}

    evaluation_says = (
        N_("in evaluation the output equals the input")
        if layer.inverted
        else N_("in evaluation every unit is multiplied by 1 - p")
    )
    return [
        Aspect(
            "evaluation",
            evaluation_says,
            2,
            evaluation_cases,
            observe_evaluation,
            expect_evaluation,
            main=True,
            contract=True,
        ),
        Aspect(
            "evaluation is deterministic",
            N_("evaluation draws no random numbers"),
            1,
            evaluation_cases,
            observe_evaluation,
            expect_draws,
            contract=True,
        ),
        Aspect(
            "input kept",
            N_("the input array is not modified"),
            1,
            both_modes,
            observe_both,
            expect_input,
            contract=True,
        ),
        Aspect(
            "dtype",
            N_("float32 in, float32 out; float64 in, float64 out"),
            1,
            both_modes,
            observe_both,
            expect_dtype,
            contract=True,
        ),
    ]
