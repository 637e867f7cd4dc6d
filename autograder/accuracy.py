"""How is the accuracy of a network trained with student functions checked, and against what threshold?

Training runs beside the student's functions; the test images never go there. What comes back, plain
parameters, is measured here. The threshold of a check and data set stands in the ``thresholds.json`` of
the assignment, written by ``benchmarks/calibrate.py`` from the accuracies of many seeded runs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autograder.engine.colocate import colocate
from autograder.engine.compare import Expectation, Within
from autograder.engine.declare import Aspect, Case, Functions, Misconception, Observation
from autograder.engine.messages import N_
from autograder.returned import parameters
from autograder.student import datasets
from autograder.student.training import Array, Parameters, Recipe, parameter_shapes

TRAIN_IMAGES = {"mnist": 10_000, "digits": 1200}  # the digits are 1,797 in all
CLASSES = 10
Sizes = tuple[int, ...]
"""Units of each layer: pixels, hidden widths, classes."""


def read_parameters(returned: Any, sizes: Sizes) -> Parameters:
    """Return trained parameters of plain layers of these sizes, see :func:`autograder.returned.parameters`."""
    return parameters(returned, parameter_shapes(sizes))


@dataclass(frozen=True)
class Accuracy:
    """The accuracy check of a network: how it is trained, how it is measured, what can go wrong.

    Attributes
    ----------
    check, assignment:
        Names of the check and of its assignment.
    recipes:
        Per data set (``"mnist"``, ``"digits"``) how to train.
    train:
        ``train(*functions, x, y, recipe)`` trains and returns plain data; a module-level function of
        the package that does not import torch, because it runs in the student's process. ``recipe``
        is a dict, see :meth:`autograder.student.training.Recipe.of`.
    measure:
        ``measure(trained, x, y)`` returns the accuracy of what ``train`` returned; it runs here.
    read:
        ``read(returned, sizes)`` returns what ``train`` returned if it is of the right form for layers of
        these sizes, images first, and raises ``WrongReturn`` if it is not; it runs here, before ``measure``.
    wrong:
        Returns the catalogue entries that can be trained, for the calibration.
    """

    check: str
    assignment: str
    recipes: Mapping[str, Recipe]
    train: Callable[..., Any]
    measure: Callable[[Any, Array, Array], float]
    wrong: Callable[[], Sequence[Misconception]]
    read: Callable[[Any, Sizes], Any] = read_parameters

    def trained_accuracy(self, functions: Functions, data_name: str | None, seed: int) -> float:
        """Train with ``functions`` and return the accuracy on the test images of a data set."""
        data = training_data(data_name)
        recipe = replace(self.recipes[data.name], seed=seed)
        returned = colocate(
            self.train, functions, x=data.train_x, y=data.train_y, recipe=asdict(recipe)
        )
        trained = self.read(returned, (data.train_x.shape[1], *recipe.hidden, CLASSES))
        return self.measure(trained, data.test_x, data.test_y)

    def threshold(self, data_name: str) -> float:
        """Return the accuracy that a correct solution practically never misses."""
        return float(thresholds(self.assignment)[self.check][data_name]["accuracy"])

    def aspect(self) -> Aspect:
        """Return the aspect that demands this accuracy."""

        def cases(rng: np.random.Generator, hidden: bool) -> Sequence[Case]:
            seed = int(rng.integers(2**31)) if hidden else 0
            name = training_data().name
            recipe = self.recipes[name]
            label = f"{name}: {TRAIN_IMAGES[name]:,} images, {recipe.epochs} epochs"
            return [Case(label, {"seed": seed, "name": name})]

        def observe(f: Functions, c: Case) -> Observation:
            return {"accuracy": self.trained_accuracy(f, c.name, c.seed)}

        def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
            return {"accuracy": Within(self.threshold(c.name), 1.0)}

        return Aspect(
            "accuracy",
            N_("the trained network reaches the calibrated accuracy on test images"),
            1,
            cases,
            observe,
            expect,
            explains=False,
        )


def training_data(name: str | None = None) -> datasets.Images:
    """Return the data set in use (or the one called ``name``), cut to the recipes' training images."""
    return datasets.load(name, n_train=TRAIN_IMAGES["mnist"])


@functools.cache
def thresholds(assignment: str) -> dict[str, Any]:
    """Return the calibrated thresholds of an assignment, per check and data set."""
    path = Path(__file__).parent / "assignments" / assignment / "thresholds.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))
