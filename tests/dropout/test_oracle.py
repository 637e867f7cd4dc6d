"""Does the oracle really ask PyTorch, and agree with the formulas of the notebook?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autograder.assignments.dropout import oracle
from autograder.student import training
from autograder.student.networks.dropout import Dropout
from autograder.student.training import Recipe

X = np.random.default_rng(0).standard_normal((6, 5))
DOUT = np.random.default_rng(1).standard_normal((6, 5))


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_captured_mask_is_the_one_that_pytorch_uses(p: float) -> None:
    keep = oracle.torch_keep_mask(X.shape, p, 11)
    out, dx = oracle.torch_dropout(X, p, 11, DOUT)
    assert np.array_equal(out != 0, keep)
    np.testing.assert_allclose(out, X * keep / (1 - p), rtol=1e-12)
    np.testing.assert_allclose(dx, DOUT * keep / (1 - p), rtol=1e-12)


def test_capturing_leaves_pytorchs_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    oracle.torch_keep_mask((4,), 0.5, 99)
    oracle.torch_dropout(X, 0.5, 99, DOUT)
    assert torch.equal(torch.rand(1), expected)


def test_given_mask() -> None:
    keep = X > 0
    out, dx = oracle.dropout_given_mask(X, keep, 0.3, DOUT)
    np.testing.assert_allclose(out, X * keep / 0.7)
    np.testing.assert_allclose(dx, DOUT * keep / 0.7)
    out, _ = oracle.dropout_given_mask(X, keep, 0.3, DOUT, inverted=False)
    np.testing.assert_allclose(out, X * keep)
    out, dx = oracle.dropout_given_mask(X, np.zeros_like(keep), 1.0, DOUT)
    assert not out.any()
    assert not dx.any()


def test_evaluation_is_the_identity() -> None:
    out, dx = oracle.evaluation(X, 0.4, DOUT)
    assert np.array_equal(out, X)
    assert np.array_equal(dx, DOUT)


def test_mean_and_std() -> None:
    mean, std = oracle.mean_and_std([X, DOUT, X])
    np.testing.assert_allclose(mean, np.mean([X, DOUT, X], axis=0))
    np.testing.assert_allclose(std, np.std([X, DOUT, X], axis=0))


def test_replay_reaches_the_same_parameters(solution) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.random((200, 12)), rng.integers(0, 3, 200)
    recipe = Recipe(hidden=(8, 6), seed=5, dtype="float64", batch_size=32)
    masks, after = [], []

    def forward(x, p, training, rng):
        out, mask = solution.dropout_forward(x, p, training, rng)
        masks.append(mask != 0)
        return out, mask

    training.train_mlp(
        x, y, recipe, Dropout(forward, solution.dropout_backward, 0.4), steps=20,
        after_update=lambda _step, parameters: after.append(training.flatten(parameters)),
    )  # fmt: skip
    start = training.initial_parameters((12, 8, 6, 10), recipe)
    batches = training.minibatches(x, y, recipe, 20)
    pairs = list(zip(masks[::2], masks[1::2], strict=True))
    again = oracle.replay_training(start, batches, pairs, recipe, 0.4)
    np.testing.assert_allclose(after, [training.flatten(p) for p in again], rtol=1e-9)


def test_training_is_repeatable_and_learns(digits, solution) -> None:
    from autograder.student import datasets

    data = datasets.load("digits")
    recipe = Recipe(hidden=(32, 32), lr=0.05, epochs=8)
    dropout = Dropout(solution.dropout_forward, solution.dropout_backward, 0.2)
    runs = [training.train_with_history(data, recipe, dropout) for _ in range(2)]
    assert np.array_equal(training.flatten(runs[0][0]), training.flatten(runs[1][0]))
    history = runs[0][1]
    assert len(history["test_loss"]) == recipe.epochs
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert history["test_accuracy"][-1] > 0.85
