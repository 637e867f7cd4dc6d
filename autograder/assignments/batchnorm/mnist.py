"""What is checked of a network trained with the student's batch normalization?

PyTorch, started from the same parameters with the same minibatches, takes the same 20 steps and has the
same running statistics after them; and after a full training the network recognises held-out
images, in evaluation mode with the student's running statistics, at least as well as the calibrated
threshold demands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder import first_steps, returned
from autograder.accuracy import Accuracy, training_data
from autograder.assignments.batchnorm import misconceptions, oracle
from autograder.assignments.batchnorm.network import accuracy, read_statistics, read_trained
from autograder.engine.compare import Close, Expectation
from autograder.engine.declare import Aspect, Case, Check, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import parts
from autograder.student import training
from autograder.student.networks import batchnorm as network
from autograder.student.networks.batchnorm import Running
from autograder.student.training import Array

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
    read=read_trained,
)


def replay_cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
    seed = int(rng.integers(2**31)) if hidden else 0
    return [Case(f"{training_data().name}: {first_steps.STEPS} steps in float64", {"seed": seed})]


def observe_replay(f: Functions, c: Case) -> Observation:
    def forward(
        x: Array, gamma: Array, beta: Array, running: Running, *options: Any
    ) -> tuple[Array, Any, Running]:
        shape, features = x.shape, beta.shape
        result = f[0](x, gamma, beta, running, *options)
        out, cache, new = parts(result, "out", "cache", "running")
        read_statistics(new, features)
        return (
            returned.floats(out, shape, "out"),
            returned.kept(cache, "cache"),
            returned.kept(new, "running"),
        )

    def backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
        shape = dout.shape
        dx, dgamma, dbeta = parts(f[1](dout, cache), "dx", "dgamma", "dbeta")
        return (
            returned.floats(dx, shape, "dx"),
            returned.floats(dgamma, shape[1:], "dgamma"),
            returned.floats(dbeta, shape[1:], "dbeta"),
        )

    layers = network.BatchNorm(forward, backward)
    after = first_steps.take(replace(first_steps.RECIPE, seed=c.seed), layers)
    return {**after, **in_vectors(list(layers.running.values()))}


def expect_replay(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    recipe = replace(first_steps.RECIPE, seed=c.seed)
    start, batches = first_steps.opening(recipe, network.ScaleAndShift())
    after, running = oracle.replay_training(start, batches, recipe, network.MOMENTUM, network.EPS)
    statistics = {what: Close(value) for what, value in in_vectors(running).items()}
    return {**first_steps.expected(after), **statistics}


def in_vectors(running: Sequence[Mapping[str, Any]]) -> Observation:
    """Return the running statistics after the last step, each as one vector over all layers."""
    return {
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
            N_(
                "PyTorch reaches your parameters after each of 20 steps, and your running statistics"
            ),
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
