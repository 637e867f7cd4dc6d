"""Does the oracle really ask PyTorch, and agree with the formulas of the papers?"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from autograder.assignments.optimizers import mnist, oracle, rules
from autograder.assignments.optimizers.trajectories import CHANGING_LR, OPTIMIZERS
from autograder.student import training
from autograder.student.networks import optimizers as network
from autograder.student.training import Recipe

RNG = np.random.default_rng(0)
START = RNG.standard_normal((2, 3))
GRADS = RNG.standard_normal((8, 2, 3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trajectory_is_that_of_the_formulas(name: str, solution) -> None:
    param, state = START, {}
    expected = oracle.trajectory(name, START, GRADS, CHANGING_LR, {})
    for grad, lr, there in zip(GRADS, CHANGING_LR, expected, strict=True):
        param, state = getattr(solution, name)(param, grad, state, lr)
        atol = 1e-8 if name == "nadam" else 1e-15  # PyTorch keeps the product of the mu in float32
        np.testing.assert_allclose(param, there, rtol=1e-12, atol=atol)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_defaults_of_pytorch_are_those_of_the_course(name: str) -> None:
    """So that checks may call student functions without optional arguments."""
    stepper = oracle.optimizer(name, [torch.zeros(2, requires_grad=True)], 0.1)
    for argument, value in rules.DEFAULTS[name].items():
        assert stepper.defaults[argument] == value


def test_gradients_do_not_depend_on_the_parameter() -> None:
    one = oracle.trajectory("sgd", START, GRADS, [0.1] * 8, {})
    np.testing.assert_allclose(one[-1], START - 0.1 * GRADS.sum(axis=0))


def test_integers_are_taken_as_floats() -> None:
    (moved,) = oracle.trajectory("sgd", np.array([1, 2]), np.ones((1, 2)), [0.1], {})
    np.testing.assert_allclose(moved, [0.9, 1.9])


def test_clipping() -> None:
    (by_value,) = oracle.clip_by_value([np.array([0.9, 100.0])], 1.0)
    (by_norm,) = oracle.clip_by_norm([np.array([0.9, 100.0])], 1.0)
    np.testing.assert_allclose(by_value, [0.9, 1.0])
    np.testing.assert_allclose(by_norm, [0.00899964, 0.99995949], rtol=1e-6)
    two = oracle.clip_by_norm([np.array([3.0]), np.array([[4.0]])], 1.0)
    np.testing.assert_allclose([g.item() for g in two], [0.6, 0.8], rtol=1e-6)


def test_schedules() -> None:
    np.testing.assert_allclose(oracle.power_decay(9, 0.8, 4, 1.0)[[0, 4, 8]], [0.8, 0.4, 0.8 / 3])
    np.testing.assert_allclose(oracle.exponential_decay(9, 0.5, 4)[[0, 4, 8]], [0.5, 0.05, 0.005])
    assert oracle.piecewise_constant(6, [2, 4], [3.0, 1.0, 2.0]).tolist() == [3, 3, 1, 1, 2, 2]
    cycle = oracle.one_cycle(20, 0.5, {})
    np.testing.assert_allclose(cycle[[0, 5, 19]], [0.02, 0.5, 2e-6])
    assert cycle.argmax() == 5


def test_plateau() -> None:
    rates = oracle.reduce_on_plateau(0.1, [1.0] * 5, {"patience": 2, "factor": 0.5})
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.05, 0.05])
    tiny = oracle.reduce_on_plateau(1e-9, [1.0] * 2, {"patience": 0})
    np.testing.assert_allclose(tiny, [1e-9, 1e-10])  # PyTorch's own eps would keep 1e-9


@pytest.mark.parametrize("name", mnist.LR)
def test_replay_reaches_the_same_parameters(name: str, solution) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.random((200, 12)), rng.integers(0, 3, 200)
    recipe = Recipe(hidden=(8, 6), seed=5, dtype="float64", batch_size=32, lr=mnist.LR[name])
    after = []
    training.train_mlp(
        x, y, recipe, update=getattr(solution, name), steps=20,
        after_update=lambda _step, parameters: after.append(training.flatten(parameters)),
    )  # fmt: skip
    start = training.initial_parameters((12, 8, 6, 10), recipe)
    batches = training.minibatches(x, y, recipe, 20)
    again = oracle.replay_training(name, start, batches, recipe.lr)
    np.testing.assert_allclose(after, [training.flatten(p) for p in again], rtol=1e-7)
    assert not np.allclose(after[-1], training.flatten(start), rtol=1e-3)


def test_training_is_repeatable(digits, solution) -> None:
    from autograder.accuracy import training_data

    data = training_data("digits")
    recipe = asdict(replace(mnist.DIGITS, lr=mnist.LR["adam"], epochs=2))
    ends = [network.train(solution.adam, data.train_x, data.train_y, recipe) for _ in range(2)]
    assert np.array_equal(training.flatten(ends[0]), training.flatten(ends[1]))
