"""Does the training loop itself do what PyTorch does?"""

from __future__ import annotations

import numpy as np
import torch

from autograder.student import training
from autograder.student.training import Recipe

X = np.random.default_rng(0).standard_normal((6, 5))


def test_gradients_of_the_network_equal_pytorchs() -> None:
    """The training loop itself, without dropout, by autograd."""
    recipe = Recipe(hidden=(7, 6), dtype="float64", seed=3)
    parameters = training.initial_parameters((5, 7, 6, 4), recipe)
    logits, caches = training.forward(parameters, X)
    y = np.array([0, 1, 2, 3, 0, 1])
    dlogits = training.softmax(logits)
    dlogits[np.arange(6), y] -= 1
    grads = training.gradients(parameters, caches, dlogits / 6)
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for layer in parameters for a in layer]
    h = torch.from_numpy(X)
    h = torch.relu(h @ leaves[0] + leaves[1])
    h = torch.relu(h @ leaves[2] + leaves[3])
    loss = torch.nn.functional.cross_entropy(h @ leaves[4] + leaves[5], torch.from_numpy(y))
    loss.backward()
    for mine, leaf in zip((a for layer in grads for a in layer), leaves, strict=True):
        np.testing.assert_allclose(mine, leaf.grad.numpy(), atol=1e-14)
