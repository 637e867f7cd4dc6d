"""How is a network trained with the student's dropout? Runs beside the student's functions, without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.student.training import Array, Hidden, Parameters, Recipe, Rng, train_mlp

P = 0.3  # drop probability of the network whose accuracy is checked


@dataclass
class Dropout(Hidden):
    """A ReLU followed by the student's dropout with drop probability ``p``."""

    dropout_forward: Callable[..., Any]
    dropout_backward: Callable[..., Any]
    p: float = 0.5

    def forward(
        self, layer: int, z: Array, own: tuple[Array, ...], training: bool, rng: Rng | None
    ) -> tuple[Array, Any]:
        """Return the output (N, H) of a hidden layer, and what the backward pass needs."""
        out, cache = self.dropout_forward(np.maximum(z, 0), self.p, training, rng)
        return out, (z > 0, cache)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradient with respect to ``z``."""
        positive, dropout_cache = cache
        return self.dropout_backward(dout, dropout_cache) * positive, ()


@dataclass(frozen=True)
class NoisyClassifier:
    """A linear softmax classifier with noise on its input: what checks hand to ``mc_dropout``.

    ``weights`` has shape (D, K); called with ``x`` (N, D), ``training`` and ``rng`` it returns
    probabilities (N, K). In training, inputs are zeroed at random with probability ``p`` (and not scaled).
    """

    weights: Array
    p: float

    def __call__(self, x: Array, training: bool, rng: Rng) -> Array:
        """Return the probabilities."""
        if training:
            x = x * (rng.random(x.shape) >= self.p)
        z = np.exp(x @ self.weights)
        return np.asarray(z / z.sum(axis=1, keepdims=True))


def train(
    dropout_forward: Callable[..., Any],
    dropout_backward: Callable[..., Any],
    x: Array,
    y: Array,
    recipe: dict[str, Any],
) -> Parameters:
    """Train with the student's dropout functions and return the parameters."""
    return train_mlp(x, y, Recipe.of(recipe), Dropout(dropout_forward, dropout_backward, P))
