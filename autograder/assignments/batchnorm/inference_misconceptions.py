"""What do people get wrong about the parameters of a layer, and about folding it into a linear one?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.engine.declare import Misconception
from autograder.engine.messages import N_

Array = NDArray[Any]
Count = Callable[[Sequence[int]], tuple[int, int]]
Fold = Callable[..., tuple[Array, Array]]


# -- counting ----------------------------------------------------------------------------------


def _count(
    trainable: Callable[[Sequence[int]], int] = lambda features: 2 * sum(features),
    non_trainable: Callable[[Sequence[int]], int] = lambda features: 2 * sum(features),
    check: bool = True,
) -> Count:
    """Return a count that is sound except for what is replaced."""

    def count_parameters(features: Sequence[int]) -> tuple[int, int]:
        if check and any(n < 1 for n in features):
            raise ValueError("a layer needs at least one feature")
        return trainable(features), non_trainable(features)

    return count_parameters


_COUNT_ENTRIES: list[tuple[str, str, Count]] = [
    ("P4-all-trainable", N_("all four numbers per feature are counted as trainable. gamma and beta are trained by gradient descent; running mean and variance are only kept."), _count(lambda f: 4 * sum(f), lambda f: 0)),
    ("P4-statistics-not-counted", N_("the running mean and variance are not counted. They are not trained, but they are stored and loaded with the network: 2 per feature."), _count(non_trainable=lambda f: 0)),
    ("P4-total-counted", N_("one of your counts includes the other. trainable are gamma and beta, non_trainable the running mean and variance: 2 per feature each."), _count(non_trainable=lambda f: 4 * sum(f))),
    ("P4-total-counted", N_("one of your counts includes the other. trainable are gamma and beta, non_trainable the running mean and variance: 2 per feature each."), _count(lambda f: 4 * sum(f))),
    ("P4-one-of-each", N_("only one number per feature is counted. Trained are two, gamma and beta; kept are two, running mean and variance."), _count(sum, sum)),
    ("P4-per-layer", N_("two numbers are counted per layer. gamma, beta, running mean and variance have one entry for every feature."), _count(lambda f: 2 * len(f), lambda f: 2 * len(f))),
    ("P4-batches-tracked", N_("one more per layer is counted as not trainable: PyTorch's num_batches_tracked. Count the running mean and variance only."), _count(non_trainable=lambda f: 2 * sum(f) + len(f))),
    ("P4-last-layer-only", N_("only one layer of the stack is counted. Sum over all of them."), _count(lambda f: 2 * f[-1] if f else 0, lambda f: 2 * f[-1] if f else 0)),
    ("P4-linear-layers", N_("the weights of linear layers between the features are counted. A batch normalization layer has none: 2 trained and 2 kept numbers per feature."), _count(lambda f: sum(a * b for a, b in itertools.pairwise(f)) + 2 * sum(f))),
    ("P2-features-not-checked", N_("a number of features below 1 is accepted. Raise a ValueError that names it."), _count(check=False)),
]  # fmt: skip


# -- folding -----------------------------------------------------------------------------------


def _fold(
    scale: Callable[[Array, Array, float], Array] = lambda gamma, var, eps: (
        gamma / np.sqrt(var + eps)
    ),
    weights: Callable[[Array, Array], Array] = lambda w, s: w * s,
    biases: Callable[[Array, Array, Array, Array], Array] = lambda b, mean, s, beta: (
        (b - mean) * s + beta
    ),
    check: bool = True,
) -> Fold:
    """Return a folding that is sound except for what is replaced."""

    def fold_batchnorm(
        w: Array,
        b: Array,
        gamma: Array,
        beta: Array,
        running: dict[str, Array],
        eps: float = 1e-5,
    ) -> tuple[Array, Array]:
        mean, var = running["mean"], running["var"]
        if check and (w.ndim != 2 or any(a.shape != w.shape[1:] for a in (b, gamma, beta, mean, var))):  # fmt: skip
            raise ValueError("W must have shape (in, out), all others (out,)")
        with np.errstate(all="ignore"):
            s = scale(gamma, var, eps)
            return weights(w, s), biases(b, mean, s, beta)

    return fold_batchnorm


def _fold_in_place(
    w: Array, b: Array, gamma: Array, beta: Array, running: dict[str, Array], eps: float = 1e-5
) -> tuple[Array, Array]:
    folded_w, folded_b = _fold()(w, b, gamma, beta, running, eps)
    w[...] = folded_w
    return w.copy(), folded_b


_FOLD_ENTRIES: list[tuple[str, str, Fold]] = [
    ("F1-rows-scaled", N_("the rows of W are scaled, which is right for PyTorch's layout (out, in). Here W is (in, out): output unit j is column j, so scale the columns."), _fold(weights=lambda w, s: w * s[:, None])),
    ("F1-transposed", N_("W comes back transposed, in PyTorch's layout (out, in). Here W is (in, out), before and after."), _fold(weights=lambda w, s: (w * s).T)),
    ("F2-weights-unscaled", N_("W comes back as it was. Normalization divides z = x @ W + b, so W is scaled too: its columns by gamma / sqrt(var + eps)."), _fold(weights=lambda w, s: w.copy())),
    ("F3-old-bias-unscaled", N_("the old bias b is added without the scale. Normalization divides x @ W + b as a whole: the new bias is (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: b - mean * s + beta)),
    ("F3-old-bias-lost", N_("the old bias b is lost. The new bias is (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: -mean * s + beta)),
    ("F3-bias-unchanged", N_("b comes back as it was. The new bias is (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: b.copy())),
    ("F4-beta-forgotten", N_("beta is missing from the new bias: (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: (b - mean) * s)),
    ("F4-beta-scaled", N_("beta is multiplied by the scale. It is added after the scaling: (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: (b - mean + beta) * s)),
    ("F5-mean-added", N_("the running mean is added where it is subtracted: the new bias is (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: (b + mean) * s + beta)),
    ("F5-mean-unscaled", N_("the running mean is subtracted without the scale. The new bias is (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: b * s - mean + beta)),
    ("F5-mean-forgotten", N_("the running mean is missing from the new bias: (b - mean) * scale + beta."), _fold(biases=lambda b, mean, s, beta: b * s + beta)),
    ("F6-gamma-forgotten", N_("gamma is missing: the scale is gamma / sqrt(var + eps)."), _fold(lambda gamma, var, eps: 1 / np.sqrt(var + eps))),
    ("F7-no-root", N_("the scale divides by the variance. Divide by its root: gamma / sqrt(var + eps)."), _fold(lambda gamma, var, eps: gamma / (var + eps))),
    ("F7-multiplied", N_("the scale multiplies by sqrt(var + eps) where it divides."), _fold(lambda gamma, var, eps: gamma * np.sqrt(var + eps))),
    ("F8-eps-outside-the-root", N_("eps is added to the standard deviation. It belongs to the variance, under the root: sqrt(var + eps)."), _fold(lambda gamma, var, eps: gamma / (np.sqrt(var) + eps))),
    ("F8-no-eps", N_("eps is missing: the scale is gamma / sqrt(var + eps)."), _fold(lambda gamma, var, eps: gamma / np.sqrt(var))),
    ("F8-eps-fixed", N_("eps is 1e-5 whatever is passed. Use the parameter."), _fold(lambda gamma, var, eps: gamma / np.sqrt(var + 1e-5))),
    ("P1-weights-modified", N_("the array W that you were given is modified (W *= scale?). Compute a new one: the network that is trained on still needs the old."), _fold_in_place),
    ("P2-shapes-not-checked", N_("arrays of the wrong shape are accepted, because NumPy broadcasts them. Raise a ValueError unless W is (in, out) and all others are (out,)."), _fold(check=False)),
]  # fmt: skip


def of_count() -> tuple[Misconception, ...]:
    """Return the entries that ``count_parameters`` can show."""
    return tuple(Misconception(id, says, (count,)) for id, says, count in _COUNT_ENTRIES)


def of_fold() -> tuple[Misconception, ...]:
    """Return the entries that ``fold_batchnorm`` can show."""
    return tuple(Misconception(id, says, (fold,)) for id, says, fold in _FOLD_ENTRIES)
