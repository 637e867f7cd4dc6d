"""How is a network trained with the student's batch normalization, and how is it scored? Without torch.

    x → linear → batch normalization → ReLU → ... → linear → softmax

Training runs beside the student's functions. Scoring runs on the examiner's side, with the formula of
evaluation mode written here and the running statistics that came back with the parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.student.training import (
    Array,
    Hidden,
    Parameters,
    Recipe,
    Rng,
    train_mlp,
)

MOMENTUM, EPS = 0.1, 1e-5  # PyTorch's defaults

Running = dict[str, Array]
Trained = tuple[Parameters, list[Running]]
"""Parameters, and per hidden layer the running statistics ``mean`` and ``var`` (H,)."""


def fresh(width: int, dtype: str = "float64") -> Running:
    """Return the running statistics of a new layer, as PyTorch starts them: mean 0, variance 1."""
    return {"mean": np.zeros(width, dtype), "var": np.ones(width, dtype)}


class ScaleAndShift(Hidden):
    """Hidden layers that have parameters gamma and beta of their own."""

    def initial(self, width: int, dtype: str) -> tuple[Array, ...]:
        """Return gamma = 1 and beta = 0, both (H,), as PyTorch starts them."""
        return np.ones(width, dtype), np.zeros(width, dtype)


@dataclass
class BatchNorm(ScaleAndShift):
    """The student's batch normalization followed by a ReLU.

    ``running`` holds the running statistics per layer number. They belong to one network: make a new
    object for every training.
    """

    batchnorm_forward: Callable[..., Any]
    batchnorm_backward: Callable[..., Any]
    momentum: float = MOMENTUM
    eps: float = EPS
    running: dict[int, Running] = field(default_factory=dict)

    def forward(
        self, layer: int, z: Array, own: tuple[Array, ...], training: bool, rng: Rng | None
    ) -> tuple[Array, Any]:
        """Return the output (N, H) of a hidden layer, and what the backward pass needs."""
        running = self.running.get(layer) or fresh(z.shape[1], z.dtype.name)
        out, cache, self.running[layer] = self.batchnorm_forward(
            z, *own, running, training, self.momentum, self.eps
        )
        return np.maximum(out, 0), (out > 0, cache)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradient with respect to ``z``, and those of gamma and beta."""
        positive, batchnorm_cache = cache
        dz, dgamma, dbeta = self.batchnorm_backward(dout * positive, batchnorm_cache)
        return dz, (dgamma, dbeta)


def train(
    batchnorm_forward: Callable[..., Any],
    batchnorm_backward: Callable[..., Any],
    x: Array,
    y: Array,
    recipe: dict[str, Any],
) -> Trained:
    """Train with the student's functions; return the parameters and the running statistics."""
    settings = Recipe.of(recipe)
    layers = BatchNorm(batchnorm_forward, batchnorm_backward)
    parameters = train_mlp(x, y, settings, layers)
    return parameters, [layers.running[i] for i in range(len(settings.hidden))]


def updates(
    function: Callable[..., Any],
    by_forward: bool,
    running: Any,
    batches: Sequence[Array],
    momentum: float,
) -> Any:
    """Return the running statistics after some batches, as the student's function returned them.

    Parameters
    ----------
    function:
        ``function(running, x, momentum)``, or a forward function that returns them as third part.
    by_forward:
        Which of the two.
    running, batches, momentum:
        The statistics before, arrays (N, D), and the momentum.
    """
    for x in batches:
        if not by_forward:
            running = function(copy.deepcopy(running), x.copy(), momentum)
            continue
        d = x.shape[-1]
        gamma, beta = np.linspace(1.5, 2.5, d), np.linspace(0.5, 1.5, d)
        given = (x.copy(), gamma, beta, copy.deepcopy(running), True)
        result = function(*given, momentum=momentum, eps=0.3)
        if not (isinstance(result, tuple) and len(result) == 3):
            return result
        running = result[2]
    return running
