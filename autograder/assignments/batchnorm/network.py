"""How is a network with the student's batch normalization scored? On the examiner's side, without torch.

With the formula of evaluation mode written here, and the running statistics that came back with the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder import returned
from autograder.accuracy import Sizes
from autograder.assignments.batchnorm.running import read
from autograder.engine.messages import _
from autograder.student.networks.batchnorm import (
    EPS,
    BatchNorm,
    Running,
    ScaleAndShift,
    Trained,
    fresh,
)
from autograder.student.training import Array, Hidden, Rng, loss_and_accuracy, parameter_shapes

__all__ = ["BatchNorm", "Evaluation", "accuracy", "fresh", "read_statistics", "read_trained"]


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
        scale = gamma / np.sqrt(statistics["var"] + EPS)
        return np.maximum((z - statistics["mean"]) * scale + beta, 0), None


def read_statistics(value: Any, shape: tuple[int, ...]) -> Running:
    """Return the running statistics ``mean`` and ``var`` of a layer if they have this shape.

    Raises
    ------
    WrongReturn
        If they have not.
    """
    return {
        name: returned.floats(a, shape, f"running[{name!r}]") for name, a in read(value).items()
    }


def read_trained(value: Any, sizes: Sizes) -> Trained:
    """Return trained parameters, and running statistics per hidden layer, of layers of these sizes.

    Raises
    ------
    WrongReturn
        If they are of any other form.
    """
    parameters, running = returned.sequence(value, 2, _("what the training returned"))
    widths = sizes[1:-1]
    statistics = returned.sequence(running, len(widths), _("the running statistics of all layers"))
    return (
        returned.parameters(parameters, parameter_shapes(sizes, ScaleAndShift())),
        [read_statistics(r, (n,)) for r, n in zip(statistics, widths, strict=True)],
    )


def accuracy(trained: Trained, x: Array, y: Array) -> float:
    """Return the accuracy on images ``x`` (N, D) in evaluation mode, with our own code, see :func:`read_trained`."""
    parameters, running = trained
    with np.errstate(all="ignore"):  # a wrong running variance may be negative: that is just wrong
        return loss_and_accuracy(parameters, x, y, Evaluation(list(running)))[1]
