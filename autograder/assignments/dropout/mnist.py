"""What is checked of a network trained with the student's dropout?

Two things, both independent of the student's seed convention: PyTorch, given the masks that the
student's forward drew, reaches the same parameters after 20 steps; and after a full training the
network recognises held-out images at least as well as the calibrated threshold demands. Training runs
beside the student's functions; the test images never go there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from autograder import datasets, training
from autograder.assignments.dropout import misconceptions, oracle
from autograder.engine.colocate import colocate
from autograder.engine.compare import Close, Expectation, Within
from autograder.engine.declare import Aspect, Case, Check, Functions, Observation
from autograder.engine.messages import N_

RECIPES = {
    "mnist": training.Recipe(hidden=(256, 256), p=0.3, lr=0.02, batch_size=100, epochs=8),
    "digits": training.Recipe(hidden=(64, 64), p=0.3, lr=0.02, batch_size=50, epochs=30),
}
TRAIN_IMAGES = {"mnist": 10_000, "digits": 1200}  # the digits are 1,797 in all
REPLAY_STEPS = 20


@functools.cache
def thresholds() -> dict[str, Any]:
    """Return the calibrated thresholds per data set, as ``benchmarks/calibrate.py`` wrote them."""
    path = Path(__file__).with_name("thresholds.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def training_data() -> datasets.Images:
    """Return the data set in use, cut to the training images of the recipe."""
    return datasets.load(n_train=TRAIN_IMAGES["mnist"])


def replay_cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
    seed = int(rng.integers(2**31)) if hidden else 0
    return [
        Case(f"{REPLAY_STEPS} steps in float64, p = {p:g}", {"p": p, "seed": seed})
        for p in (0.2, 0.7)
    ]


def observe_replay(f: Functions, c: Case) -> Observation:
    data = training_data()
    recipe = asdict(training.Recipe(hidden=(32, 16), p=c.p, seed=c.seed))
    record = colocate(
        training.record_steps, f, x=data.train_x, y=data.train_y, recipe=recipe, steps=REPLAY_STEPS
    )
    return {"parameters after the last step": flatten(record["end"]), "record": record}


def expect_replay(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    record = seen["record"]
    end = oracle.replay_training(
        record["start"], record["batches"], record["masks"], training.Recipe(p=c.p)
    )
    return {"parameters after the last step": Close(flatten(end))}


def accuracy_cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
    seed = int(rng.integers(2**31)) if hidden else 0
    name = training_data().name
    recipe = RECIPES[name]
    label = f"{name}: {TRAIN_IMAGES[name]:,} images, {recipe.epochs} epochs, p = {recipe.p:g}"
    return [Case(label, {"recipe": {**asdict(recipe), "seed": seed}, "name": name})]


def observe_accuracy(f: Functions, c: Case) -> Observation:
    data = training_data()
    parameters = colocate(
        training.train_with_dropout, f, x=data.train_x, y=data.train_y, recipe=dict(c.recipe)
    )
    return {"accuracy": training.loss_and_accuracy(parameters, data.test_x, data.test_y)[1]}


def expect_accuracy(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    return {"accuracy": Within(thresholds()[c.name]["accuracy"], 1.0)}


def flatten(parameters: training.Parameters) -> training.Array:
    """Return all weights and biases as one vector."""
    return np.concatenate([np.ravel(a) for layer in parameters for a in layer])


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
        Aspect(
            "accuracy",
            N_("the trained network reaches the calibrated accuracy on test images"),
            1,
            accuracy_cases,
            observe_accuracy,
            expect_accuracy,
            explains=False,
        ),
    ),
    misconceptions=misconceptions.of_training,
    seconds=100,
    remark=lambda: training_data().note,
)
