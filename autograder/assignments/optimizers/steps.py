"""What does an optimizer do? Aspects of every student function that moves a parameter by one step.

All nine optimizers are checked alike, by a row of :data:`.trajectories.OPTIMIZERS` each: the parameter
after every step is compared with that of ``torch.optim``. State, inputs, dtype, integers and shapes are
judged by themselves, so that a wrong formula costs nothing there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograder.assignments.optimizers.trajectories import (
    CHANGING_LR,
    OPTIMIZERS,
    Array,
    Options,
    Rng,
    after,
    case,
    described,
    moved,
    play,
    require_move,
    same_state,
    step,
)
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Is, Unchanged
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array, parts
from autograder.student.networks import optimizers as network

WEIGHT_DECAY = 0.3
SMALL = 1e-4  # gradients of that size show where eps is added
SLOW_BETAS = (0.999, 0.9999)  # a count that goes on from call to call shows after thousands of them

Variant = tuple[str, dict[str, Any]]
"""What a trajectory is called, and in what it differs: keyword arguments of :func:`case`."""


@one_call
def observe_steps(f: Functions, c: Case) -> Observation:
    """Return the parameter after each step."""
    return {after(t, len(c.rates)): param for t, param in enumerate(play(f, c))}


def expect_steps(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect PyTorch's parameter after each step."""
    steps = len(c.rates)
    return {after(t, steps): Close(p, atol=c.atol) for t, p in enumerate(c.expected)}


def observe_inputs(f: Functions, c: Case) -> Observation:
    """Return what became of the arguments of the second step."""
    first, state = step(f, c.param, c.grads[0], {}, c.rates[0], c.options)
    require_move(c.param, first)
    param, grad, kept = c.param.copy(), c.grads[1].copy(), copy.deepcopy(state)
    f[0](param, grad, state, c.rates[1], **c.options)
    return {
        "param after the call": param,
        "grad after the call": grad,
        "the state that was passed in is as before": same_state(state, kept),
    }


def expect_inputs(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect arguments as they were."""
    return {
        "param after the call": Unchanged(c.param),
        "grad after the call": Unchanged(c.grads[1]),
        "the state that was passed in is as before": Is(True),
    }


@one_call
def observe_state(f: Functions, c: Case) -> Observation:
    """Tell whether two parameters, and two runs, leave each other alone."""
    starts = [(k["param"], k["grads"]) for k in (c.given, c.given["other"])]
    found = colocate(network.walks, f, starts=starts, rates=list(c.rates), options=dict(c.options))
    alone, together, again = (
        [moved(param, results) for (param, _grads), results in zip(starts, walks, strict=True)]
        for walks in found
    )
    return {
        "two parameters stepped in turn move as each does alone": alike(together, alone),
        "the same steps from an empty state give the same again": alike(again, alone),
    }


def alike(one: Sequence[Sequence[Array]], other: Sequence[Sequence[Array]]) -> bool:
    """Tell whether two parameters moved alike in two runs."""
    pairs = [p for a, b in zip(one, other, strict=True) for p in zip(a, b, strict=True)]
    return all(
        np.array_equal(a, b)
        or (a.shape == b.shape and np.allclose(a, b, rtol=1e-9, equal_nan=True))
        for a, b in pairs
    )


def expect_state(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect that they do."""
    return {what: Is(True) for what in seen}


@one_call
def observe_dtype(f: Functions, c: Case) -> Observation:
    """Return the dtype after each step."""
    return {f"dtype of {after(t, 3)}": str(p.dtype) for t, p in enumerate(play(f, c))}


def expect_dtype(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect float32."""
    return {what: Is("float32") for what in seen}


@one_call
def observe_integers(f: Functions, c: Case) -> Observation:
    """Return the result for integers, beside that for the same numbers as floats."""
    arguments = {"param": c.param, "grad": c.grads[0], "lr": c.rates[0], "options": dict(c.options)}
    floats, integers, refused = colocate(network.floats_and_integers, f, **arguments)
    (wanted,) = moved(c.param, [floats])
    after = None if refused else array(parts(integers, "param", "state")[0], "param")
    return {"param after the step": after, "for floats": wanted, "refused": refused}


def expect_integers(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect both to agree, unless integers are refused."""
    if seen["refused"]:
        return {}
    return {"param after the step": Close(seen["for floats"], rtol=1e-4)}


@one_call
def observe_shape(f: Functions, c: Case) -> Observation:
    """Return the shape after each step."""
    return {f"shape of {after(t, 2)}": str(p.shape) for t, p in enumerate(play(f, c))}


def expect_shape(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect the shape of the parameter."""
    return {what: Is(str(c.param.shape)) for what in seen}


def optimizer_aspects(name: str, extras: bool = True) -> tuple[Aspect, ...]:
    """Return what the student function ``name`` is scored for.

    ``extras=False`` leaves out the arguments that have aspects of their own.
    """
    o = OPTIMIZERS[name]

    def trajectories(*variants: Variant) -> Callable[[Rng, bool], Sequence[Case]]:
        """Return ``cases``: each variant for two numbers, and when hidden for other shapes."""

        def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
            shapes: list[tuple[int, ...]] = [(2,)]
            if hidden:  # of one dimension: more of them are the matter of one aspect, "any shape"
                shapes = [(int(rng.integers(3, 7)),)]
            out = []
            for shape in shapes:
                for label, how in variants:
                    where = label if shape == (2,) else f"{label}, shape {shape}"
                    out.append(case(rng, o, where, shape, **how))
            return out

        return cases

    def passing(options: Options, rates: Sequence[float] | None = None) -> Variant:
        label = described(options) + (", lr changes from step to step" if rates else "")
        return label, {"options": {**o.fixed, **options}, "rates": rates}

    def scored(
        name: str, says: str, weight: float, *variants: Variant, main: bool = False
    ) -> Aspect:
        cases = trajectories(*variants)
        return Aspect(name, says, weight, cases, observe_steps, expect_steps, main=main)

    def state_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        options = {**o.fixed, **({"betas": SLOW_BETAS} if "betas" in o.settings else {})}
        out = []
        for shape in [(5,) if hidden else (2,)]:
            label = f"two parameters of shape {shape}, 4 steps each"
            c, other = (case(rng, o, label, shape, 4, options, judged=False) for _ in range(2))
            out.append(Case(c.label, {**c.given, "other": other.given}))
        return out

    def input_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        options = {**o.fixed, "weight_decay": WEIGHT_DECAY}
        label = f"the second step, weight_decay = {WEIGHT_DECAY}"
        shape = (4,) if hidden else (3,)
        return [case(rng, o, label, shape, 2, options, judged=False)]

    def dtype_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        c = case(rng, o, "param and grad are float32, 3 steps", (3,), 3, judged=False)
        single = {name: c.given[name].astype(np.float32) for name in ("param", "grads")}
        return [Case(c.label, {**c.given, **single})]

    def integer_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        param = np.array([3, -2]) if not hidden else rng.integers(-9, 9, 4)
        label = "param holds integers, one step, lr = 0.07"  # 0.1 is a step of 1 for RMSProp
        c = case(rng, o, label, param.shape, 1, rates=[0.07], judged=False)
        return [Case(c.label, {**c.given, "param": param}, ("param",))]

    def shape_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        shapes: list[tuple[int, ...]] = [(1,), (2, 3, 4)]
        if hidden:
            shapes = [(4, 1, 2), tuple(int(n) for n in rng.integers(1, 5, 4))]
        label = "param of shape {}, 2 steps"
        return [case(rng, o, label.format(s), s, 2, judged=False) for s in shapes]

    decays = [passing({"weight_decay": WEIGHT_DECAY})]
    if o.fixed:
        decays.append(("weight_decay at its default", {"options": {}}))
    rates = ", ".join(f"{lr:g}" for lr in CHANGING_LR)
    aspects = [
        scored(
            "first step",
            N_("the first step, from an empty state, is PyTorch's"),
            2,
            ("the first step", {"steps": 1}),
            ("the first step, smaller gradients", {"steps": 1, "scale": 0.5}),
            main=True,
        ),
        scored(
            "later steps",
            N_("the steps after it are PyTorch's, with gradients that change"),
            3,
            ("gradients change from step to step", {}),
            main=True,
        ),
        scored(
            "changing lr",
            N_("each step uses the learning rate that it is given"),
            1,
            (f"lr = {rates} in turn", {"rates": CHANGING_LR}),
        ),
    ]
    if o.settings:
        says = N_("the arguments are used, at other values than their defaults too")
        aspects.append(scored("settings", says, 1, passing(o.settings)))
    if o.eps:
        small = (f"gradients near {SMALL:g}", {"scale": SMALL / o.scale})
        says = N_("eps is added where PyTorch adds it")
        aspects.append(scored("eps", says, 1, passing(o.eps), small))
    says = (
        N_("weight decay shrinks the parameter itself by lr * weight_decay, before the step")
        if name == "adamw"
        else N_("weight decay adds weight_decay * param to the gradient, before all else")
    )
    aspects.append(scored("weight decay", says, 1, *decays, main=name == "adamw"))
    if extras:
        aspects += [scored(e.name, e.says, 1, passing(e.options, e.rates)) for e in o.extras]
    return (
        *aspects,
        Aspect(
            "state",
            N_("everything is kept in the state: parameters do not disturb each other"),
            1,
            state_cases,
            observe_state,
            expect_state,
            contract=True,
        ),
        Aspect(
            "inputs kept",
            N_("param, grad and the state that is passed in are not modified"),
            1,
            input_cases,
            observe_inputs,
            expect_inputs,
            contract=True,
        ),
        Aspect(
            "dtype",
            N_("float32 stays float32"),
            1,
            dtype_cases,
            observe_dtype,
            expect_dtype,
            contract=True,
        ),
        Aspect(
            "integers",
            N_("integer parameters are refused, or become floats: never truncated"),
            1,
            integer_cases,
            observe_integers,
            expect_integers,
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
    )
