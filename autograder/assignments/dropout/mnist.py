"""What is checked of a network trained with the student's dropout?

Two things, both independent of the student's seed convention: PyTorch, given the masks that the
student's forward drew, reaches the same parameters after 20 steps; and after a full training the
network recognises held-out images at least as well as the calibrated threshold demands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from autograder.accuracy import Accuracy, training_data
from autograder.assignments.dropout import misconceptions, oracle
from autograder.engine.colocate import colocate
from autograder.engine.compare import Close, Expectation
from autograder.engine.declare import Aspect, Case, Check, Functions, Observation
from autograder.engine.messages import N_
from autograder.student import training
from autograder.student.networks import dropout as network
from autograder.student.outcome import WrongReturn

REPLAY_STEPS = 20
REPLAY = training.Recipe(hidden=(32, 16), batch_size=32, dtype="float64")

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
            f"{training_data().name}: {REPLAY_STEPS} steps in float64, p = {p:g}",
            {"p": p, "seed": seed},
        )
        for p in (0.2, 0.7)
    ]


def observe_replay(f: Functions, c: Case) -> Observation:
    data, recipe = training_data(), replace(REPLAY, seed=c.seed)
    end, masks = colocate(
        network.record_steps, f, x=data.train_x, y=data.train_y, recipe=asdict(recipe),
        p=c.p, steps=REPLAY_STEPS,
    )  # fmt: skip
    return {"parameters after the last step": training.flatten(end), "masks": as_masks(masks)}


def as_masks(masks: Any) -> list[list[training.Array]]:
    """Return the recorded masks if they are there for every step and layer.

    Raises
    ------
    WrongReturn
        If they are not: the replay would be one of fewer steps.
    """
    shapes = [(REPLAY.batch_size, width) for width in REPLAY.hidden]
    if len(masks) != REPLAY_STEPS or any([np.shape(m) for m in step] != shapes for step in masks):
        raise WrongReturn("dropout_forward was not called once per layer and step")
    return [[np.asarray(m, dtype=bool) for m in step] for step in masks]


def expect_replay(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    data, recipe = training_data(), replace(REPLAY, seed=c.seed)
    start, batches = training.opening(data.train_x, data.train_y, recipe, REPLAY_STEPS)
    end = oracle.replay_training(start, batches, seen["masks"], recipe, c.p)
    return {"parameters after the last step": Close(training.flatten(end))}


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
            N_("PyTorch, given your masks, reaches your parameters after 20 steps"),
            1,
            replay_cases,
            observe_replay,
            expect_replay,
        ),
        ACCURACY.aspect(),
    ),
    misconceptions=misconceptions.of_training,
    seconds=100,
    partial=False,
    remark=lambda: training_data().note,
)
