"""What does a schedule do that follows the loss? Aspects of ``reduce_on_plateau``."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autograder.assignments.optimizers import oracle
from autograder.assignments.optimizers.schedules import RTOL, number
from autograder.assignments.optimizers.trajectories import (
    Array,
    Options,
    Rng,
    described,
    same_state,
)
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Is
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import parts
from autograder.student.networks import optimizers as network


def plateau_aspects() -> tuple[Aspect, ...]:
    """Return what ``reduce_on_plateau`` is scored for."""

    def case(losses: Sequence[float], where: str, **options: float) -> Case:
        lr = 0.5
        label = f"{where}; {described({'lr': lr, **options})}"
        given = {
            "lr": lr,
            "losses": np.array(losses),
            "options": options,
            "expected": oracle.reduce_on_plateau(lr, losses, options),
        }
        return Case(label, given, ("losses",))

    def step(
        f: Functions, lr: float, loss: float, state: Any, options: Options
    ) -> tuple[float, Any]:
        new, state = parts(f[0](lr, loss, copy.deepcopy(state), **options), "lr", "state")
        return number(new), state

    def rates(results: Sequence[Any]) -> Array:
        return np.array([number(parts(result, "lr", "state")[0]) for result in results])

    def play(f: Functions, c: Case) -> Array:
        losses = [float(loss) for loss in c.losses]
        return rates(colocate(network.follow, f, lr=c.lr, losses=losses, options=dict(c.options)))

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        return {"learning rate after each loss": play(f, c)}

    def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"learning rate after each loss": Close(c.expected, RTOL, 1e-13)}

    @one_call
    def observe_end(f: Functions, c: Case) -> Observation:
        return {"learning rate in the end": play(f, c)[-1]}

    def expect_end(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"learning rate in the end": Close(c.expected[-1], RTOL, 1e-13)}

    def scale(rng: Rng, hidden: bool) -> float:
        return round(float(rng.uniform(0.5, 4)), 2) if hidden else 1.0

    def falling(rng: Rng, hidden: bool) -> Sequence[Case]:
        k = scale(rng, hidden)
        return [case([k * 0.9**i for i in range(8)], "the loss falls", patience=2)]

    def constant(rng: Rng, hidden: bool) -> Sequence[Case]:
        k = scale(rng, hidden)
        return [
            case([k] * 5, "constant loss", patience=2),
            case([k] * 4, "constant loss", patience=0),
            case([k] * 13, "constant loss"),
        ]

    # Below, bad epochs come in runs after which the rate is the same when it falls one epoch early, as
    # in Keras: that costs the aspect "patience" and no other.
    def repeated(rng: Rng, hidden: bool) -> Sequence[Case]:
        k = scale(rng, hidden)
        losses = [k] + [1.2 * k] * 8
        return [case(losses, "the loss never gets better", patience=3, factor=0.5)]

    def recovering(rng: Rng, hidden: bool) -> Sequence[Case]:
        k = scale(rng, hidden)
        zigzag = [1.0, 1.2, 0.8, 1.2, 0.7, 1.2, 0.6, 1.2, 0.5]
        above = [1.0, 0.5, 0.7, 0.8, 0.7, 0.6, 0.7]
        return [
            case([k * v for v in above], "the loss stays above its best", patience=3),
            case([k * v for v in zigzag], "the loss goes up and down", patience=3),
        ]

    def thresholds(rng: Rng, hidden: bool) -> Sequence[Case]:
        k = 20 * scale(rng, hidden)  # far from 1: relative and absolute thresholds differ
        slowly = [k * (1 - 0.02 * i) for i in range(7)]
        by_two = "the loss falls by 2 % of the first in each epoch"
        return [
            case(slowly, by_two, patience=3, threshold=0.115),
            case(slowly, by_two, patience=3, threshold=0.03),
            case([v / 1000 for v in slowly], "a small loss falls", patience=3, threshold=0.01),
            case([k * (1 - 1e-5 * i) for i in range(6)], "the loss hardly falls", patience=3),
        ]

    def observe_state(f: Functions, c: Case) -> Observation:
        lr, state = step(f, c.lr, float(c.losses[0]), {}, c.options)
        kept = copy.deepcopy(state)
        f[0](lr, float(c.losses[1]), state, **c.options)
        first = play(f, c)
        return {
            "the state that was passed in is as before": same_state(state, kept),
            "the same losses from an empty state give the same again": bool(
                np.array_equal(first, play(f, c))
            ),
        }

    def expect_state(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {what: Is(True) for what in seen}

    return (
        Aspect(
            "falling loss",
            N_("while the loss falls, the learning rate stays"),
            1,
            falling,
            observe,
            expect,
            contract=True,
        ),
        Aspect(
            "patience",
            N_("the rate falls with the first bad epoch beyond `patience` of them, not before"),
            2,
            constant,
            observe,
            expect,
        ),
        Aspect(
            "again",
            N_("after that the count of bad epochs starts anew, and the best loss stays"),
            1,
            repeated,
            observe_end,
            expect_end,
        ),
        Aspect(
            "best loss",
            N_("a loss is compared with the best so far, and a better one ends the count"),
            2,
            recovering,
            observe_end,
            expect_end,
            main=True,
        ),
        Aspect(
            "threshold",
            N_("better means below best * (1 - threshold), and only then there is a new best"),
            1,
            thresholds,
            observe_end,
            expect_end,
        ),
        Aspect(
            "state",
            N_("everything is kept in the state, and the one passed in is not modified"),
            1,
            recovering,
            observe_state,
            expect_state,
            contract=True,
        ),
    )
