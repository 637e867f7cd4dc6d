"""How is a network with the student's batch normalization scored? On the examiner's side, without torch.

With the formula of evaluation mode written here, and the running statistics that came back with the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.student.networks.batchnorm import EPS, BatchNorm, Trained, fresh
from autograder.student.training import Array, Hidden, Rng, loss_and_accuracy

__all__ = ["BatchNorm", "Evaluation", "accuracy", "fresh"]


@dataclass
class Evaluation(Hidden):
    """Batch normalization in evaluation mode with given running statistics, followed by a ReLU."""

    running: list[Mapping[str, Array]]

    def forward(
        self, layer: int, z: Array, own: tuple[Array, ...], training: bool, rng: Rng | None
    ) -> tuple[Array, Any]:
        """Return the output (N, H) of a hidden layer; there is nothing to cache."""
        gamma, beta = own
        statistics = self.running[layer]
        scale = gamma / np.sqrt(np.asarray(statistics["var"]) + EPS)
        return np.maximum((z - np.asarray(statistics["mean"])) * scale + beta, 0), None


def accuracy(trained: Trained, x: Array, y: Array) -> float:
    """Return the accuracy on images ``x`` (N, D) in evaluation mode, with our own code."""
    parameters, running = trained
    with np.errstate(all="ignore"):  # a wrong running variance may be negative: that is just wrong
        return loss_and_accuracy(parameters, x, y, Evaluation(list(running)))[1]
