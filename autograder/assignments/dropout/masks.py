"""Do the masks of a training follow the law of dropout? A share p is dropped, each unit by itself, and afresh each time.

Every bound is ``SIGMAS`` standard deviations of a binomial distribution from its mean. Together, right
functions miss one of them with a probability of about 1e-8 per drop probability (computed in a test).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from autograder.engine.compare import Expectation, Within
from autograder.engine.declare import Observation
from autograder.student.training import Array

SIGMAS = 7
Masks = Sequence[Sequence[Array]]
"""Per step and hidden layer which units (N, H) were kept, boolean."""


def seen_in(masks: Masks) -> Observation:
    """Return the shares that the law is about, of all units or of all pairs of units that were compared."""
    layers = [np.stack(of_layer) for of_layer in zip(*masks, strict=True)]
    out: Observation = {"share of units that were dropped": share([~m for m in layers])}
    for i, m in enumerate(layers, 1):
        out[f"layer {i}: share of units that two steps treat alike, the largest"] = most_alike(m)
    for i, m in enumerate(layers, 1):
        out[f"layer {i}: share of units that two rows treat alike"] = share(
            [m[:, ::2] == m[:, 1::2]]
        )
        out[f"layer {i}: share of units that two columns treat alike"] = share(
            [m[:, :, ::2] == m[:, :, 1::2]]
        )
    first, second = layers
    drawn = [a.reshape(len(a), -1) for a in layers]  # in the order in which numbers are drawn
    n, width = min(a.shape[1] for a in drawn), min(first.shape[2], second.shape[2])
    out["share of units that two layers treat alike, in the order of drawing"] = share(
        [drawn[0][:, :n] == drawn[1][:, :n]]
    )
    out["share of units that two layers treat alike, by row and column"] = share(
        [first[:, :, :width] == second[:, :, :width]]
    )
    return out


def expected_of(p: float, steps: int, rows: int, widths: Sequence[int]) -> dict[str, Expectation]:
    """Return the bounds of :func:`seen_in` for masks of ``widths`` units in ``rows`` rows (both even) in ``steps`` steps."""
    alike = p**2 + (1 - p) ** 2
    sizes = [rows * width for width in widths]
    out: dict[str, Expectation] = {
        "share of units that were dropped": near(p, steps * sum(sizes)),
    }
    for i, n in enumerate(sizes, 1):
        out[f"layer {i}: share of units that two steps treat alike, the largest"] = Within(
            0.0, near(alike, n).high
        )
        pairs = near(alike, steps * n // 2)
        out[f"layer {i}: share of units that two rows treat alike"] = pairs
        out[f"layer {i}: share of units that two columns treat alike"] = pairs
    between = near(alike, steps * min(sizes))
    out["share of units that two layers treat alike, in the order of drawing"] = between
    out["share of units that two layers treat alike, by row and column"] = between
    return out


def near(share: float, n: int) -> Within:
    """Expect a share of ``n`` independent events that each have this probability."""
    margin = SIGMAS * math.sqrt(share * (1 - share) / n)
    return Within(share - margin, share + margin)


def share(parts: Sequence[Array]) -> float:
    """Return the share of what is true in boolean arrays."""
    return float(sum(part.sum() for part in parts) / sum(part.size for part in parts))


def most_alike(masks: Array) -> float:
    """Return the largest share of units that are equal in two of several masks (steps, N, H)."""
    signs = np.where(masks, 1.0, -1.0).reshape(len(masks), -1)
    alike = (1 + signs @ signs.T / signs.shape[1]) / 2
    return float(np.max(alike[~np.eye(len(masks), dtype=bool)]))
