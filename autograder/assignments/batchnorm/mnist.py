"""What is checked of a network trained with the student's batch normalization?

PyTorch, started from the same parameters with the same minibatches, reaches the same parameters and the
same running statistics after 20 steps; and after a full training the network recognises held-out
images, in evaluation mode with the student's running statistics, at least as well as the calibrated
threshold demands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from autograder.accuracy import Accuracy, training_data
from autograder.assignments.batchnorm import misconceptions, oracle
from autograder.assignments.batchnorm.network import accuracy
from autograder.assignments.batchnorm.running import read
from autograder.engine.colocate import colocate
from autograder.engine.compare import Close, Expectation
from autograder.engine.declare import Aspect, Case, Check, Functions, Observation
from autograder.engine.messages import N_
from autograder.student import training
from autograder.student.networks import batchnorm as network

REPLAY_STEPS = 20
REPLAY = training.Recipe(hidden=(32, 16), batch_size=32, dtype="float64")

ACCURACY = Accuracy(
    check="mnist_batchnorm",
    assignment="batchnorm",
    recipes={
        "mnist": training.Recipe(hidden=(100, 100), lr=0.03, batch_size=100, epochs=3),
        "digits": training.Recipe(hidden=(64, 64), lr=0.05, batch_size=50, epochs=12),
    },
    train=network.train,
    measure=accuracy,
    wrong=misconceptions.of_training,
)


def replay_cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
    seed = int(rng.integers(2**31)) if hidden else 0
    return [Case(f"{training_data().name}: {REPLAY_STEPS} steps in float64", {"seed": seed})]


def observe_replay(f: Functions, c: Case) -> Observation:
    data, recipe = training_data(), replace(REPLAY, seed=c.seed)
    end, running = colocate(
        network.train, f, x=data.train_x, y=data.train_y, recipe=asdict(recipe), steps=REPLAY_STEPS
    )
    return seen_of(end, [read(layer) for layer in running])


def expect_replay(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    data, recipe = training_data(), replace(REPLAY, seed=c.seed)
    start, batches = training.opening(
        data.train_x, data.train_y, recipe, REPLAY_STEPS, network.ScaleAndShift()
    )
    end, running = oracle.replay_training(start, batches, recipe, network.MOMENTUM, network.EPS)
    return {what: Close(value) for what, value in seen_of(end, running).items()}


def seen_of(parameters: training.Parameters, running: Sequence[Mapping[str, Any]]) -> Observation:
    """Return what is compared after the last step, each as one vector over all layers."""
    return {
        "parameters after the last step": training.flatten(parameters),
        "running means after the last step": np.concatenate([r["mean"] for r in running]),
        "running variances after the last step": np.concatenate([r["var"] for r in running]),
    }


MNIST_BATCHNORM = Check(
    name="mnist_batchnorm",
    assignment="batchnorm",
    proves=N_(
        "A network trained with your functions takes PyTorch's steps and learns to read digits."
    ),
    takes=("batchnorm_forward", "batchnorm_backward"),
    aspects=(
        Aspect(
            "replay",
            N_("PyTorch reaches your parameters and running statistics after 20 steps"),
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
