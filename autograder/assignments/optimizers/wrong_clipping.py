"""What do people get wrong about gradient clipping? Entries of the catalogue: id, sentence, function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.assignments.optimizers.rules import Array
from autograder.engine.messages import N_

Grads = Sequence[Array]
Clip = Callable[[Grads, float], Any]

OVERWRITES = N_(
    "the list that was passed in or its arrays are modified (g *= ..., grads[i] = ...?). Return new arrays in a new list."
)
FLOAT64 = N_(
    "float32 gradients come back as float64. Keep their dtype: multiply by a Python float, or convert to g.dtype."
)


def total(grads: Grads) -> float:
    """Return the Euclidean norm of all gradients together."""
    return float(np.sqrt(sum(float(np.sum(g.astype(np.float64) ** 2)) for g in grads)))


def factor(norm: float, max_norm: float) -> float:
    """Return what PyTorch multiplies gradients of this norm by."""
    return min(1.0, max_norm / (norm + 1e-6))


def scaled(
    norm: Callable[[Grads], float] = total,
    by: Callable[[float, float], float] = factor,
) -> Clip:
    """Return a function that multiplies all gradients by one factor."""

    def clip(grads: Grads, max_norm: float) -> Any:
        with np.errstate(all="ignore"):
            return [g * by(norm(grads), max_norm) for g in grads]

    return clip


def sound_by_value(grads: Grads, limit: float) -> list[Array]:
    """Return the gradients, each number cut to the interval from -limit to limit."""
    return [np.clip(g, -limit, limit) for g in grads]


def overwrites(clip: Clip) -> Clip:
    """Write the results into the arrays that were passed in."""

    def wrong(grads: Grads, limit: float) -> Any:
        for g, new in zip(grads, clip(grads, limit), strict=True):
            g[...] = new
        return list(grads)

    return wrong


def replaces(clip: Clip) -> Clip:
    """Put the results into the list that was passed in."""

    def wrong(grads: Any, limit: float) -> Any:
        grads[:] = clip(grads, limit)
        return grads

    return wrong


def doubles(clip: Clip) -> Clip:
    """Return float64 whatever comes in."""
    return lambda grads, limit: [g.astype(np.float64) for g in clip(grads, limit)]


def _always(norm: float, max_norm: float) -> float:
    return float(np.float64(max_norm) / (norm + 1e-6))


def _exactly(norm: float, max_norm: float) -> float:
    return 1.0 if norm <= max_norm else max_norm / norm


def _nan_for_zero(norm: float, max_norm: float) -> float:
    return float(
        np.minimum(1.0, np.float64(max_norm) / np.float64(norm + 1e-6) * norm / np.float64(norm))
    )


def _largest(grads: Grads) -> float:
    return max(float(np.max(np.abs(g))) for g in grads)


BY_NORM: list[tuple[str, str, Clip]] = [
    ("O32-each-by-itself", N_("every gradient is clipped by its own norm, as Keras's clipnorm does. clip_grad_norm_ takes one norm over all of them, so that the direction of the whole step stays."), lambda grads, limit: [scaled()([g], limit)[0] for g in grads]),
    ("O32-by-value", N_("numbers are cut one by one: that is clipping by value, and changes the direction. Multiply all gradients by one factor, max_norm / (norm + 1e-6)."), sound_by_value),
    ("O32-also-below", N_("gradients below max_norm are stretched to it. The factor is at most 1: min(1, max_norm / (norm + 1e-6))."), scaled(by=_always)),
    ("O32-without-1e-6", N_("the factor is max_norm / norm, as in Keras. PyTorch's clip_grad_norm_ divides by norm + 1e-6."), scaled(by=_exactly)),
    ("O32-squared-norm", N_("the norm lacks its root: squares are summed, and that sum is compared with max_norm. Take the square root of the sum."), scaled(norm=lambda grads: total(grads) ** 2)),
    ("O32-sum-of-norms", N_("the norms of the gradients are added up. The norm of all of them together is the root of the sum of all squares."), scaled(norm=lambda grads: sum(total([g]) for g in grads))),
    ("O32-sum-of-absolute-values", N_("the norm is the sum of absolute values. clip_grad_norm_ takes the Euclidean norm: the root of the sum of all squares."), scaled(norm=lambda grads: float(sum(np.abs(g).sum() for g in grads)))),
    ("O32-largest-value", N_("the norm is the largest absolute value. clip_grad_norm_ takes the Euclidean norm: the root of the sum of all squares."), scaled(norm=_largest)),
    ("O32-root-mean-square", N_("squares are averaged instead of summed. The Euclidean norm is the root of their sum, however many there are."), scaled(norm=lambda grads: total(grads) / sum(g.size for g in grads) ** 0.5)),
    ("O32-unit-norm", N_("clipped gradients have norm 1 instead of max_norm: the factor lacks max_norm. It is min(1, max_norm / (norm + 1e-6))."), scaled(by=lambda norm, limit: 1.0 if norm <= limit else 1 / (norm + 1e-6))),
    ("O32-zero-by-zero", N_("gradients that are all zero become NaN: zero is divided by zero. With max_norm / (norm + 1e-6) that cannot happen."), scaled(by=_nan_for_zero)),
    ("O24-changes-gradients", OVERWRITES, overwrites(scaled())),
    ("O24-changes-gradients", OVERWRITES, replaces(scaled())),
    ("O26-float64", FLOAT64, doubles(scaled())),
]  # fmt: skip

BY_VALUE: list[tuple[str, str, Clip]] = [
    ("O32-by-norm", N_("gradients are scaled to a norm: that is clipping by norm. Here every number is cut to the interval from -limit to limit by itself."), scaled()),
    ("O32-by-norm", N_("gradients are scaled to a norm: that is clipping by norm. Here every number is cut to the interval from -limit to limit by itself."), lambda grads, limit: [scaled()([g], limit)[0] for g in grads]),
    ("O32-only-above", N_("only large positive numbers are cut. Cut below -limit as well: np.clip(g, -limit, limit)."), lambda grads, limit: [np.minimum(g, limit) for g in grads]),
    ("O32-from-zero", N_("negative numbers become zero: the interval starts at 0. It goes from -limit to limit."), lambda grads, limit: [np.clip(g, 0, limit) for g in grads]),
    ("O32-absolute-value", N_("signs are lost: the result is the clipped absolute value. Cut to the interval from -limit to limit."), lambda grads, limit: [np.minimum(np.abs(g), limit) for g in grads]),
    ("O32-to-zero", N_("numbers beyond the limit become zero. They should become the limit, with their sign: np.clip(g, -limit, limit)."), lambda grads, limit: [np.where(np.abs(g) > limit, np.zeros_like(g), g) for g in grads]),
    ("O32-sign", N_("every number becomes limit with its sign, small ones too. Numbers inside the interval stay as they are."), lambda grads, limit: [np.sign(g) * limit for g in grads]),
    ("O32-divides-by-the-largest", N_("gradients are scaled so that their largest number is the limit. Cut each number by itself and leave the others alone: np.clip(g, -limit, limit)."), lambda grads, limit: scaled(norm=_largest, by=_exactly)(grads, limit)),
    ("O24-changes-gradients", OVERWRITES, overwrites(sound_by_value)),
    ("O24-changes-gradients", OVERWRITES, replaces(sound_by_value)),
    ("O26-float64", FLOAT64, doubles(sound_by_value)),
]  # fmt: skip
