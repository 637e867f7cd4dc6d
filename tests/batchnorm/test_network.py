"""Does the check of a trained network reject what training can show?"""

from __future__ import annotations

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.assignments.batchnorm import misconceptions
from autograder.assignments.batchnorm import network as scoring
from autograder.engine.run import run_check
from autograder.student import training
from autograder.student.networks import batchnorm as network
from autograder.student.training import Recipe


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("id", "aspect"),
    [
        ("B11-never-updated", "accuracy"),
        ("B13-old-forgotten", "accuracy"),
        ("B2-biased-running-variance", "replay"),
        ("B3-momentum-swapped", "replay"),
        ("B1-unbiased-normalization", "replay"),
        ("B17-statistics-as-constants", "replay"),
        ("B22-divides-by-n-minus-1", "replay"),
    ],
)
def test_training_rejects_what_it_can_show(id: str, aspect: str) -> None:
    functions = next(m.functions for m in misconceptions.of_training() if m.id == id)
    result = run_check(all_checks()["mnist_batchnorm"], functions)
    assert aspect in [a.name for a in result.aspects if not a.passed]
    assert id in [m.id for m in result.named]


@pytest.fixture(scope="module")
def trained(solution):
    """A small trained network: images, its hidden layers, its parameters."""
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 6)), rng.integers(0, 3, 60)
    layers = network.BatchNorm(solution.batchnorm_forward, solution.batchnorm_backward)
    recipe = Recipe(hidden=(5, 4), batch_size=20, epochs=3, dtype="float64")
    return x, layers, training.train_mlp(x, y, recipe, layers, classes=3)


def test_running_statistics_are_kept_per_layer(trained) -> None:
    x, layers, parameters = trained
    assert {i: r["mean"].shape for i, r in layers.running.items()} == {0: (5,), 1: (4,)}
    before = {i: r["var"].copy() for i, r in layers.running.items()}
    training.probabilities(parameters, x, layers)
    assert all(np.array_equal(before[i], layers.running[i]["var"]) for i in before)


def test_our_own_evaluation_equals_the_students(trained) -> None:
    x, layers, parameters = trained
    own = scoring.Evaluation([layers.running[0], layers.running[1]])
    np.testing.assert_allclose(
        training.probabilities(parameters, x, own),
        training.probabilities(parameters, x, layers),
        rtol=1e-12,
    )


def test_useless_statistics_are_wrong_and_not_an_error() -> None:
    parameters = [
        (np.eye(3), np.zeros(3), np.ones(3), np.zeros(3)),
        (np.eye(3), np.zeros(3)),
    ]
    running = [{"mean": np.zeros(3), "var": np.full(3, -1.0)}]
    assert scoring.accuracy((parameters, running), np.eye(3), np.array([1, 2, 1])) == 0
