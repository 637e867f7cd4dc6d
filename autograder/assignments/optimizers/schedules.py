"""What does a learning-rate schedule do? Aspects of the four functions of the step.

Every case is a whole table: the learning rates at several steps, against a scheduler of
``torch.optim.lr_scheduler``. What cannot be read off such a table (momentum that runs against the learning
rate, the order of scheduler and optimizer) is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograder.assignments.optimizers import oracle
from autograder.assignments.optimizers.trajectories import (
    Array,
    Options,
    Rng,
    described,
)
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Raises, is_numeric
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_, _
from autograder.engine.observe import attempt
from autograder.student.outcome import WrongReturn
from autograder.student.work import in_turn

RTOL = 1e-7
RATES = "learning rates"


def number(value: Any) -> float:
    """Return a learning rate as a float.

    Raises
    ------
    WrongReturn
        If it is not one number.
    """
    if not is_numeric(value) or isinstance(value, bool) or np.size(value) != 1:
        raise WrongReturn(
            _("the learning rate should be a number, got {type}").format(type=type(value).__name__)
        )
    return float(np.asarray(value).reshape(()))


def table(label: str, arguments: Options, all_rates: Array, steps: Sequence[int]) -> Case:
    """Describe calls at some steps; ``all_rates`` holds PyTorch's rates at steps 0, 1, 2, ..."""
    given = {
        "arguments": arguments,
        "steps": np.array(steps),
        "expected": all_rates[list(steps)],
    }
    return Case(label or described(arguments), given, ("steps",))


@one_call
def observe_table(f: Functions, c: Case) -> Observation:
    """Return the learning rates at the steps of a table."""
    calls = [(int(k),) for k in c.steps]
    found = colocate(in_turn, f, calls=calls, named=dict(c.arguments))
    return {RATES: np.array([number(rate) for rate in found])}


def expect_table(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect those of PyTorch."""
    return {RATES: Close(c.expected, RTOL, 1e-13)}


def scored(
    name: str,
    says: str,
    weight: float,
    cases: Callable[[Rng, bool], Sequence[Case]],
    main: bool = False,
    contract: bool = False,
) -> Aspect:
    """Return an aspect whose cases are tables."""
    flags = {"main": main, "contract": contract}
    return Aspect(name, says, weight, cases, observe_table, expect_table, **flags)


def power_aspects() -> tuple[Aspect, ...]:
    """Return what ``power_decay`` is scored for."""

    def case(steps: Sequence[int], lr0: float, s: float, c: float | None = None) -> Case:
        rates = oracle.power_decay(max(steps) + 1, lr0, s, 1.0 if c is None else c)
        arguments = {"lr0": lr0, "s": s} | ({} if c is None else {"c": c})
        return table("", arguments, rates, steps)

    def drawn(rng: Rng, hidden: bool) -> tuple[float, int]:
        """Return lr0 and s."""
        return (
            (round(float(rng.uniform(0.1, 2)), 3), int(rng.integers(3, 30))) if hidden else (0.8, 4)
        )

    def start(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [case([0], *drawn(rng, hidden))]

    def multiples(rng: Rng, hidden: bool) -> Sequence[Case]:
        lr0, s = drawn(rng, hidden)
        return [case([s, 2 * s, 3 * s, 10 * s], lr0, s)]

    def between(rng: Rng, hidden: bool) -> Sequence[Case]:
        lr0, s = drawn(rng, hidden)
        return [case([1, 2, s + 1, 3 * s - 1], lr0, s)]

    def powers(rng: Rng, hidden: bool) -> Sequence[Case]:
        lr0, s = drawn(rng, hidden)
        return [case([1, s, 2 * s, 3 * s], lr0, s, c) for c in (2.0, 0.5)]

    return (
        scored(
            "start",
            N_("step 0 has the learning rate lr0"),
            1,
            start,
            contract=True,
        ),
        scored(
            "multiples of s",
            N_("with c = 1, step s has lr0 / 2, step 2s lr0 / 3, and so on"),
            2,
            multiples,
            main=True,
        ),
        scored("between", N_("the rate also falls between the multiples of s"), 1, between),
        scored("power", N_("c is the power of 1 + step / s"), 1, powers),
    )


def exponential_aspects() -> tuple[Aspect, ...]:
    """Return what ``exponential_decay`` is scored for."""

    def case(rng: Rng, hidden: bool, multiples: Sequence[float]) -> Case:
        lr0, s = (
            (0.5, 4)
            if not hidden
            else (round(float(rng.uniform(0.1, 2)), 3), 2 * int(rng.integers(2, 15)))
        )
        steps = [round(m * s) for m in multiples]
        return table(
            "", {"lr0": lr0, "s": s}, oracle.exponential_decay(max(steps) + 1, lr0, s), steps
        )

    def start(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [case(rng, hidden, [0])]

    def tenths(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [case(rng, hidden, [1, 2, 3])]

    def between(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [case(rng, hidden, [0.25, 0.5, 0.75, 1.25, 2.5])]

    return (
        scored(
            "start",
            N_("step 0 has the learning rate lr0"),
            1,
            start,
            contract=True,
        ),
        scored(
            "every s steps",
            N_("the rate falls by a factor of 10 every s steps"),
            2,
            tenths,
            main=True,
        ),
        scored("between", N_("it falls by the same factor in every step"), 2, between),
    )


def piecewise_aspects() -> tuple[Aspect, ...]:
    """Return what ``piecewise_constant`` is scored for."""

    def tables(rng: Rng, hidden: bool) -> list[tuple[list[int], list[float]]]:
        if not hidden:
            return [([3], [0.1, 0.02]), ([3, 5, 9], [0.1, 0.02, 0.05, 0.001])]
        out = []
        for n in (1, 3, 4):
            boundaries = np.cumsum(rng.integers(2, 6, n)).tolist()
            out.append((boundaries, np.round(rng.uniform(0.001, 1, n + 1), 4).tolist()))
        return out

    def cases_at(choose: Callable[[list[int]], list[int]]) -> Callable[[Rng, bool], Sequence[Case]]:
        def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
            out = []
            for boundaries, rates in tables(rng, hidden):
                steps = choose(boundaries)
                expected = oracle.piecewise_constant(max(steps) + 1, boundaries, rates)
                arguments = {"boundaries": boundaries, "values": rates}
                out.append(table("", arguments, expected, steps))
            return out

        return cases

    return (
        scored(
            "pieces",
            N_("each piece has its value"),
            3,
            cases_at(lambda b: [0, *(k - 1 for k in b), b[-1] + 1, b[-1] + 7]),
            main=True,
        ),
        scored(
            "boundaries",
            N_("at a boundary the new value holds already, as in MultiStepLR"),
            2,
            cases_at(lambda b: b),
        ),
    )


def one_cycle_aspects() -> tuple[Aspect, ...]:
    """Return what ``one_cycle`` is scored for."""

    def runs(rng: Rng, hidden: bool) -> list[tuple[int, float]]:
        """Return total_steps, multiples of 10 so that the peak is at a whole step, and max_lr."""
        if not hidden:
            return [(20, 0.5)]
        return [(10 * int(rng.integers(3, 12)), round(float(rng.uniform(0.01, 1)), 3))]

    def cases_at(
        choose: Callable[[int, int], list[int]], *variants: Options
    ) -> Callable[[Rng, bool], Sequence[Case]]:
        """Return tables at the steps that ``choose(total, peak)`` returns."""

        def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
            out = []
            for total, max_lr in runs(rng, hidden):
                for options in variants or ({},):
                    arguments = {"total_steps": total, "max_lr": max_lr, **options}
                    peak = round(options.get("pct_start", 0.3) * total) - 1
                    rates = oracle.one_cycle(total, max_lr, options)
                    out.append(table("", arguments, rates, choose(total, peak)))
            return out

        return cases

    def observe_beyond(f: Functions, c: Case) -> Observation:
        f[0](0, **c.arguments)  # a function that raises whatever it is given refuses nothing
        return {"exception": attempt(lambda: f[0](c.step, **c.arguments))}

    def expect_beyond(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"exception": Raises("ValueError")}

    def beyond(rng: Rng, hidden: bool) -> Sequence[Case]:
        return [
            Case(
                f"step = {step}, total_steps = {total}",
                {"step": step, "arguments": {"total_steps": total, "max_lr": max_lr}},
            )
            for total, max_lr in runs(rng, hidden)
            for step in (total, total + 3, -1)
        ]

    return (
        scored(
            "start",
            N_("step 0 has max_lr / div_factor"),
            1,
            cases_at(lambda total, peak: [0], {}, {"div_factor": 10.0}),
            contract=True,
        ),
        scored(
            "peak",
            N_("max_lr is reached at step pct_start * total_steps - 1"),
            2,
            cases_at(lambda total, peak: [peak], {}, {"pct_start": 0.5}),
            contract=True,
        ),
        scored(
            "up",
            N_("the way up is half a cosine"),
            2,
            cases_at(lambda total, peak: list(range(1, peak))[:8]),
            main=True,
        ),
        scored(
            "down",
            N_("the way down is half a cosine, to the last step"),
            2,
            cases_at(lambda total, peak: [peak + 1, peak + 3, (total + peak) // 2, total - 3]),
            main=True,
        ),
        scored(
            "end",
            N_("the last step has max_lr / div_factor / final_div_factor"),
            2,
            cases_at(lambda total, peak: [total - 1], {}, {"final_div_factor": 100.0}),
        ),
        Aspect(
            "beyond the end",
            N_("a step below 0, or of total_steps and more, raises ValueError"),
            1,
            beyond,
            observe_beyond,
            expect_beyond,
            contract=True,
        ),
    )
