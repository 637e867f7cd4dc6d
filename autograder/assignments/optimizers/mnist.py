"""What is checked of a network trained with the student's optimizer?

Two things: PyTorch's network and optimizer take the same 20 steps from the same start on
the same images; and after a full training the network recognises held-out images at least as well as the
calibrated threshold demands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder import first_steps, returned
from autograder.accuracy import Accuracy, training_data
from autograder.assignments.optimizers import misconceptions, oracle
from autograder.engine.compare import Expectation
from autograder.engine.declare import Aspect, Case, Check, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import parts
from autograder.student import training
from autograder.student.networks import optimizers as network

MNIST = training.Recipe(hidden=(128, 64), batch_size=100)
DIGITS = training.Recipe(hidden=(64, 32), batch_size=50)
LR = {"momentum": 0.02, "rmsprop": 5e-4, "adam": 1e-3}
"""Per trained optimizer the learning rate at which it does well; they differ by its form."""
EPOCHS = {"momentum": (8, 30), "rmsprop": (8, 30), "adam": (5, 15)}
"""On MNIST and on the digits: so many that no seed falls far behind the others. (With fewer, and larger rates,
a few do, more than the normal distribution behind the thresholds allows.)"""


def accuracy(name: str) -> Accuracy:
    """Return the accuracy check of a network trained with the optimizer ``name``."""
    mnist_epochs, digits_epochs = EPOCHS[name]
    return Accuracy(
        check=f"mnist_{name}",
        assignment="optimizers",
        recipes={
            "mnist": replace(MNIST, lr=LR[name], epochs=mnist_epochs),
            "digits": replace(DIGITS, lr=LR[name], epochs=digits_epochs),
        },
        train=network.train,
        measure=lambda parameters, x, y: training.loss_and_accuracy(parameters, x, y)[1],
        wrong=lambda: misconceptions.of_training(name),
    )


def replay_aspect(name: str) -> Aspect:
    """Return the aspect that demands PyTorch's parameters after each of a few steps."""

    def cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
        seed = int(rng.integers(2**31)) if hidden else 0
        recipe = replace(first_steps.RECIPE, seed=seed, lr=LR[name])
        return [
            Case(
                f"{training_data().name}: {first_steps.STEPS} steps in float64, lr = {recipe.lr:g}",
                {"recipe": recipe},
            )
        ]

    def observe(f: Functions, c: Case) -> Observation:
        def update(
            param: training.Array, grad: training.Array, state: Any, lr: float
        ) -> tuple[training.Array, Any]:
            shape = param.shape
            new, state = parts(f[0](param, grad, state, lr), "param", "state")
            return returned.floats(new, shape, "param"), returned.kept(state, "state")

        return first_steps.take(c.recipe, update=update)

    def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        start, batches = first_steps.opening(c.recipe)
        return first_steps.expected(oracle.replay_training(name, start, batches, c.recipe.lr))

    says = N_("PyTorch reaches your parameters after each of 20 steps")
    return Aspect("replay", says, 1, cases, observe, expect)


ACCURACIES = tuple(accuracy(name) for name in LR)
CHECKS = tuple(
    Check(
        name=entry.check,
        assignment=entry.assignment,
        proves=N_(
            "A network trained with your function takes PyTorch's steps and learns to read digits."
        ),
        takes=(name,),
        aspects=(replay_aspect(name), entry.aspect()),
        misconceptions=entry.wrong,
        seconds=60,
        partial=False,
        remark=lambda: training_data().note,
    )
    for name, entry in zip(LR, ACCURACIES, strict=True)
)
