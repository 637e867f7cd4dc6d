"""Does the oracle really ask PyTorch, and agree with the formulas of the notebook?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autograder.assignments.batchnorm import oracle
from autograder.student import training
from autograder.student.networks import batchnorm as network
from autograder.student.training import Recipe

RNG = np.random.default_rng(0)
X, DOUT = RNG.standard_normal((2, 6, 4)) * 2 + 1
GAMMA, BETA = RNG.standard_normal((2, 4))
RUNNING = {"mean": RNG.standard_normal(4), "var": RNG.uniform(1, 2, 4)}
EPS = 0.3


def test_update_is_the_layers_own() -> None:
    layer = torch.nn.BatchNorm1d(4, momentum=0.2).double()
    running = network.fresh(4)
    for x in (X, DOUT[:3], X[2:4]):
        layer(torch.from_numpy(x))
        running = oracle.update_running(running, x, 0.2)
    np.testing.assert_allclose(running["mean"], layer.running_mean.numpy())
    np.testing.assert_allclose(running["var"], layer.running_var.numpy())


def test_training() -> None:
    out, running = oracle.forward(X, GAMMA, BETA, RUNNING, True, 0.2, EPS)
    np.testing.assert_allclose(out, GAMMA * (X - X.mean(0)) / np.sqrt(X.var(0) + EPS) + BETA)
    np.testing.assert_allclose(running["mean"], 0.8 * RUNNING["mean"] + 0.2 * X.mean(0))
    np.testing.assert_allclose(running["var"], 0.8 * RUNNING["var"] + 0.2 * X.var(0, ddof=1))


def test_evaluation() -> None:
    out, running = oracle.forward(X, GAMMA, BETA, RUNNING, False, 0.2, EPS)
    x_hat = (X - RUNNING["mean"]) / np.sqrt(RUNNING["var"] + EPS)
    np.testing.assert_allclose(out, GAMMA * x_hat + BETA)
    assert all(np.array_equal(running[k], RUNNING[k]) for k in RUNNING)


@pytest.mark.parametrize("training_mode", [True, False])
def test_gradients(training_mode: bool) -> None:
    dx, dgamma, dbeta = oracle.gradients(X, GAMMA, BETA, RUNNING, training_mode, EPS, DOUT)
    mean, var = (X.mean(0), X.var(0)) if training_mode else (RUNNING["mean"], RUNNING["var"])
    x_hat, n = (X - mean) / np.sqrt(var + EPS), len(X)
    inside = DOUT - (DOUT.sum(0) + x_hat * (DOUT * x_hat).sum(0)) / n if training_mode else DOUT
    np.testing.assert_allclose(dx, GAMMA / np.sqrt(var + EPS) * inside)
    np.testing.assert_allclose(dgamma, (DOUT * x_hat).sum(0))
    np.testing.assert_allclose(dbeta, DOUT.sum(0))


def test_undoing() -> None:
    gamma, beta = oracle.undoing(X, EPS)
    np.testing.assert_allclose(oracle.forward(X, gamma, beta, RUNNING, True, 0.1, EPS)[0], X)


def test_counts_of_the_lecture() -> None:
    assert sum(oracle.count_parameters([784])) == 3136
    assert oracle.count_parameters([784, 300, 100])[1] == 2368


def test_fold() -> None:
    w, b = RNG.standard_normal((6, 4)), RNG.standard_normal(4)
    folded_w, folded_b = oracle.fold(w, b, GAMMA, BETA, RUNNING, EPS)
    out, _running = oracle.forward(X @ w[:4] + b, GAMMA, BETA, RUNNING, False, eps=EPS)
    np.testing.assert_allclose(X @ folded_w[:4] + folded_b, out)


def test_nothing_that_is_passed_is_modified() -> None:
    before = [a.copy() for a in (X, GAMMA, BETA, *RUNNING.values())]
    oracle.forward(X, GAMMA, BETA, RUNNING, True)
    oracle.gradients(X, GAMMA, BETA, RUNNING, True, EPS, DOUT)
    oracle.update_running(RUNNING, X, 0.5)
    after = [X, GAMMA, BETA, *RUNNING.values()]
    assert all(np.array_equal(a, b) for a, b in zip(after, before, strict=True))


def test_replay_reaches_the_same_parameters_and_statistics(solution) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.random((200, 12)), rng.integers(0, 3, 200)
    recipe = Recipe(hidden=(8, 6), seed=5, dtype="float64", batch_size=32)
    layers = network.BatchNorm(solution.batchnorm_forward, solution.batchnorm_backward)
    after = []
    training.train_mlp(
        x, y, recipe, layers, steps=20,
        after_update=lambda _step, parameters: after.append(training.flatten(parameters)),
    )  # fmt: skip
    start = training.initial_parameters((12, 8, 6, 10), recipe, network.ScaleAndShift())
    again, statistics = oracle.replay_training(
        start, training.minibatches(x, y, recipe, 20), recipe, network.MOMENTUM, network.EPS
    )
    np.testing.assert_allclose(after, [training.flatten(p) for p in again], rtol=1e-9, atol=1e-12)
    for own, theirs in zip(layers.running.values(), statistics, strict=True):
        np.testing.assert_allclose(own["mean"], theirs["mean"], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(own["var"], theirs["var"], rtol=1e-9)
