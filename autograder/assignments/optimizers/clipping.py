"""What does gradient clipping do? Aspects of the two functions that take a list of gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from autograder.assignments.optimizers import oracle
from autograder.assignments.optimizers.trajectories import Array, Rng, values
from autograder.engine.colocate import one_call
from autograder.engine.compare import Close, Expectation, Is
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_, _
from autograder.engine.observe import array
from autograder.student.outcome import WrongReturn

Clip = Callable[[Sequence[Array], float], list[Array]]
RTOL = 1e-6  # the 1e-6 of clip_grad_norm_ does not show, but where an aspect is about it
EXACT = 1e-9


def arrays(out: object, n: int) -> list[Array]:
    """Return what a student's function returned if it is a list of ``n`` arrays."""
    if not isinstance(out, list | tuple) or len(out) != n:
        got = type(out).__name__
        raise WrongReturn(_("expected a list of {n} arrays, got {got}").format(n=n, got=got))
    return [array(g, "each gradient") for g in out]


def clipped(f: Functions, grads: Sequence[Array], limit: float) -> list[Array]:
    """Call the student's function on copies and return its list of arrays."""
    return arrays(f[0]([g.copy() for g in grads], limit), len(grads))


@one_call
def observe(f: Functions, c: Case) -> Observation:
    """Return each gradient after clipping."""
    return {named(i, len(c.grads)): g for i, g in enumerate(clipped(f, c.grads, c.limit))}


def named(i: int, n: int) -> str:
    """Return what the result number ``i`` (from 0) of ``n`` is called."""
    return "gradient after clipping" if n == 1 else f"gradient {i + 1} of {n} after clipping"


@one_call
def observe_inputs(f: Functions, c: Case) -> Observation:
    """Tell whether what was passed in was left alone."""
    grads = [g.copy() for g in c.grads]
    given = list(grads)
    require_change(arrays(f[0](given, c.limit), len(c.grads)), c)
    seen = [*grads, *given]  # across the process boundary a changed array is a new one in the list
    same = len(given) == len(grads) and all(map(np.array_equal, seen, [*c.grads, *c.grads]))
    return {"the list that was passed in, and its arrays, are as before": same}


def expect_inputs(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect that it was."""
    return {what: Is(True) for what in seen}


@one_call
def observe_dtype(f: Functions, c: Case) -> Observation:
    """Return the dtype of each gradient after clipping."""
    out = observe(f, c)
    require_change(list(out.values()), c)
    return {f"dtype of {what}": str(g.dtype) for what, g in out.items()}


def require_change(out: Sequence[Array], c: Case) -> None:
    """Raise WrongReturn if a function that should clip something did nothing."""
    if all(map(np.array_equal, out, c.grads)):
        raise WrongReturn(_("nothing was clipped"))


def expect_dtype(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect float32."""
    return {what: Is("float32") for what in seen}


def clip_aspects(name: str, argument: str) -> tuple[Aspect, ...]:
    """Return what ``clip_by_value`` or ``clip_by_norm`` is scored for; ``argument`` is its second."""
    clip: Clip = getattr(oracle, name)
    by_norm = name == "clip_by_norm"

    def case(grads: Sequence[Array], limit: float, where: str = "") -> Case:
        expected = clip(grads, limit)
        label = f"{argument} = {limit:g}" + (f", {where}" if where else "")
        n = len(grads)
        beside = {named(i, n): {"gradient before": g} for i, g in enumerate(grads) if g.size <= 12}
        if by_norm and n > 1:
            norms = np.array([float(np.linalg.norm(g)) for g in grads])
            for shown in beside.values():
                shown["norm of each gradient"] = norms
        given = {"grads": list(grads), "limit": limit, "expected": expected}
        return Case(label, given, (), beside)

    def expect(c: Case, seen: Observation) -> dict[str, Close]:
        n = len(c.expected)
        return {named(i, n): Close(g, RTOL, 1e-14) for i, g in enumerate(c.expected)}

    def expect_exactly(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {what: replace(close, rtol=EXACT) for what, close in expect(c, seen).items()}

    def single_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        grads = [np.array([0.9, 100.0]), np.array([[-3.0, 0.5], [0.2, 7.0]])]
        if hidden:
            grads = [values(rng, (4, 3)) * rng.uniform(3, 30), -values(rng, (1, 2, 2)) * 9]
        return [case([g], 1.0) for g in grads] + [case([g], 0.3) for g in grads]

    def several_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        shapes: list[list[tuple[int, ...]]] = [[(2,), (2,)], [(2,), (2, 2), (3,)]]
        if hidden:
            shapes = [[(3,), (2,)], [(5,), (1, 4), (2, 3, 2), (1,)]]
        out = []
        for group in shapes:
            sizes = rng.uniform(2.1, 4.0, len(group))  # every number is above 1
            sizes[0] = 0.1  # alone it is below the limit
            grads = [size * values(rng, shape) for size, shape in zip(sizes, group, strict=True)]
            out.append(case(grads, 1.0, f"{len(group)} gradients"))
        return out

    def below_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        groups: list[list[tuple[int, ...]]] = [[(2,)], [(2,), (2, 2)]]
        if hidden:
            groups = [[(3, 3), (2,), (1,)]]
        return [
            case([values(rng, shape) for shape in group], 20.0, "gradients below it")
            for group in groups
        ]

    def zero_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        n, limit = (int(rng.integers(3, 9)), float(rng.uniform(0.1, 3))) if hidden else (2, 0.5)
        return [
            case([np.zeros((n,))], 2 * limit, "all gradients are zero"),
            case([np.zeros((n,)), np.zeros((n, 2))], limit, "all gradients are zero"),
        ]

    def small_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [
            case([1e-3 * values(rng, (2,))], 5e-4, "gradients near 0.001"),
            case([values(rng, (2,)), values(rng, (3,))], 1.0, "gradients near 1"),
        ]

    def dtype_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        out = []
        for c in several_cases(rng, hidden):
            single = [g.astype(np.float32) for g in c.grads]
            out.append(Case(f"{c.label}, float32", {**c.given, "grads": single}))
        return out

    single_says = (
        N_("a gradient longer than max_norm is shortened to that norm and keeps its direction")
        if by_norm
        else N_("every number is cut to the interval from -limit to limit")
    )
    several_says = (
        N_("all gradients are multiplied by one factor, from the norm of all of them together")
        if by_norm
        else N_("every gradient of the list is clipped by itself")
    )
    aspects = [
        Aspect(
            "one gradient",
            single_says,
            2,
            single_cases,
            observe,
            expect,
            main=True,
        ),
        Aspect(
            "several gradients",
            several_says,
            2,
            several_cases,
            observe,
            expect,
            main=True,
        ),
        Aspect(
            "below the limit",
            N_("gradients below the limit come back as they are"),
            1,
            below_cases,
            observe,
            expect,
            contract=True,
        ),
    ]
    if by_norm:
        aspects.append(
            Aspect(
                "1e-6",
                N_("the factor is max_norm / (norm + 1e-6), as in clip_grad_norm_"),
                1,
                small_cases,
                observe,
                expect_exactly,
            )
        )
    return (
        *aspects,
        Aspect(
            "zeros",
            N_("zero gradients stay zero"),
            1,
            zero_cases,
            observe,
            expect,
            contract=True,
        ),
        Aspect(
            "inputs kept",
            N_("the arrays and the list that are passed in are not modified"),
            1,
            several_cases,
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
    )
