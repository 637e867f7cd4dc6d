"""What is checked of a network trained with the student's dropout?

Three things, all independent of the student's seed convention: PyTorch, given the masks that the
student's forward drew, takes the same 20 steps; these masks follow the law of dropout; and after a full
training the network recognises held-out images at least as well as the calibrated threshold demands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder import first_steps, returned
from autograder.accuracy import Accuracy, training_data
from autograder.assignments.dropout import masks, misconceptions, oracle
from autograder.engine.compare import Expectation
from autograder.engine.declare import Aspect, Case, Check, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import parts
from autograder.student import training
from autograder.student.generators import copied
from autograder.student.networks import dropout as network
from autograder.student.training import Array, Rng

ACCURACY = Accuracy(
    check="mnist_dropout",
    assignment="dropout",
    recipes={
        "mnist": training.Recipe(hidden=(256, 256), lr=0.02, batch_size=100, epochs=8),
        "digits": training.Recipe(hidden=(64, 64), lr=0.02, batch_size=50, epochs=30),
    },
    train=network.train,
    measure=lambda parameters, x, y: training.loss_and_accuracy(parameters, x, y)[1],
    wrong=misconceptions.of_training,
)


def replay_cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
    seed = int(rng.integers(2**31)) if hidden else 0
    return [
        Case(
            f"{training_data().name}: {first_steps.STEPS} steps in float64, p = {p:g}",
            {"p": p, "seed": seed},
        )
        for p in (0.2, 0.7)
    ]


def observe_replay(f: Functions, c: Case) -> Observation:
    drawn: list[Array] = []

    def forward(x: Array, p: float, training: bool, rng: Rng) -> tuple[Array, Any]:
        probe, _cache = f[0](np.ones_like(x), p, training, copied(rng))
        drawn.append(returned.floats(probe, x.shape, "out") != 0)
        shape = x.shape
        out, cache = parts(f[0](x, p, training, rng), "out", "cache")
        return returned.floats(out, shape, "out"), returned.kept(cache, "cache")

    def backward(dout: Array, cache: Any) -> Array:
        return returned.floats(f[1](dout, cache), dout.shape, "dx")

    recipe = replace(first_steps.RECIPE, seed=c.seed)
    after = first_steps.take(recipe, network.Dropout(forward, backward, c.p))
    layers = len(recipe.hidden)
    steps = [drawn[i : i + layers] for i in range(0, len(drawn), layers)]
    return {**after, **masks.seen_in(steps), "masks": steps}


def expect_replay(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    recipe = replace(first_steps.RECIPE, seed=c.seed)
    start, batches = first_steps.opening(recipe)
    return first_steps.expected(oracle.replay_training(start, batches, seen["masks"], recipe, c.p))


def expect_masks(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    recipe = first_steps.RECIPE
    return masks.expected_of(c.p, first_steps.STEPS, recipe.batch_size, recipe.hidden)


MNIST_DROPOUT = Check(
    name="mnist_dropout",
    assignment="dropout",
    proves=N_(
        "A network trained with your functions takes PyTorch's steps and learns to read digits."
    ),
    takes=("dropout_forward", "dropout_backward"),
    aspects=(
        Aspect(
            "replay",
            N_("PyTorch, given your masks, reaches your parameters after each of 20 steps"),
            1,
            replay_cases,
            observe_replay,
            expect_replay,
        ),
        Aspect(
            "masks",
            N_("in these steps, a share p of the units is dropped, each by itself and afresh"),
            1,
            replay_cases,
            observe_replay,
            expect_masks,
        ),
        ACCURACY.aspect(),
    ),
    misconceptions=misconceptions.of_training,
    seconds=100,
    partial=False,
    remark=lambda: training_data().note,
)
