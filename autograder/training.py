"""How is a network trained out of student functions? A small MLP and its training loop, in NumPy.

    x → linear → ReLU → dropout → linear → ReLU → dropout → linear → softmax

Trained with minibatch SGD with momentum in PyTorch's form (``buf = momentum * buf + grad``,
``w -= lr * buf``) on the mean cross-entropy. Weights have shape (in, out) and start from He's
initialisation (He et al., *Delving Deep into Rectifiers*, 2015): normal, standard deviation
sqrt(2 / in); biases start at zero.
"""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Array = NDArray[Any]
Parameters = list[tuple[Array, Array]]


@dataclass(frozen=True)
class Dropout:
    """The student's dropout functions and the drop probability after each hidden layer."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    p: float = 0.5


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run depends on, besides the data and the student's functions.

    ``hidden`` are the widths of the hidden layers, ``p`` the drop probability, ``lr`` the learning
    rate, ``dtype`` that of parameters and images.
    """

    hidden: tuple[int, ...] = (256, 256)
    p: float = 0.5
    lr: float = 0.05
    momentum: float = 0.9
    batch_size: int = 64
    epochs: int = 10
    seed: int = 0
    dtype: str = "float32"


def initial_parameters(sizes: tuple[int, ...], recipe: Recipe) -> Parameters:
    """Return He-initialised weights (in, out) and zero biases (out,) for layers of these sizes."""
    rng = np.random.default_rng([recipe.seed, 0])
    return [
        (
            (rng.standard_normal((n, m)) * np.sqrt(2.0 / n)).astype(recipe.dtype),
            np.zeros(m, dtype=recipe.dtype),
        )
        for n, m in itertools.pairwise(sizes)
    ]


def forward(
    parameters: Parameters,
    x: Array,
    dropout: Dropout | None = None,
    training: bool = False,
    rng: np.random.Generator | None = None,
) -> tuple[Array, list[tuple[Array, Array, Any]]]:
    """Return logits (N, K) and per layer its input, its ReLU output and the dropout cache."""
    caches: list[tuple[Array, Array, Any]] = []
    h = x
    for w, b in parameters[:-1]:
        a = np.maximum(h @ w + b, 0)
        out, cache = dropout.forward(a, dropout.p, training, rng) if dropout else (a, None)
        caches.append((h, a, cache))
        h = out
    w, b = parameters[-1]
    caches.append((h, h, None))
    return h @ w + b, caches


def gradients(
    parameters: Parameters,
    caches: list[tuple[Array, Array, Any]],
    dlogits: Array,
    dropout: Dropout | None = None,
) -> Parameters:
    """Return the gradient of the loss for every weight and bias, by backpropagation."""
    grads: Parameters = []
    dh = dlogits
    for i in reversed(range(len(parameters))):
        w, _b = parameters[i]
        h, a, cache = caches[i]
        if i < len(parameters) - 1:
            if dropout:
                dh = dropout.backward(dh, cache)
            dh = dh * (a > 0)
        grads.append((h.T @ dh, dh.sum(axis=0)))
        dh = dh @ w.T
    return grads[::-1]


def softmax(logits: Array) -> Array:
    """Return probabilities (N, K) from logits (N, K)."""
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(z / z.sum(axis=1, keepdims=True))


def probabilities(
    parameters: Parameters,
    x: Array,
    dropout: Dropout | None = None,
    training: bool = False,
    rng: np.random.Generator | None = None,
) -> Array:
    """Return class probabilities (N, K) for images ``x`` (N, D)."""
    return softmax(forward(parameters, x, dropout, training, rng)[0])


def loss_and_accuracy(parameters: Parameters, x: Array, y: Array) -> tuple[float, float]:
    """Return mean cross-entropy in nats and accuracy in evaluation mode (dropout is the identity)."""
    p = probabilities(parameters, x)
    picked = np.maximum(p[np.arange(len(y)), y], 1e-30)
    return float(-np.log(picked).mean()), float((p.argmax(axis=1) == y).mean())


def batches(n: int, recipe: Recipe) -> Iterator[NDArray[np.intp]]:
    """Yield the row numbers of each minibatch, epoch after epoch, without end."""
    rng = np.random.default_rng([recipe.seed, 1])
    while True:
        order = rng.permutation(n)
        for i in range(0, n, recipe.batch_size):
            yield order[i : i + recipe.batch_size]


def train_mlp(
    x: Array,
    y: Array,
    recipe: Recipe,
    dropout: Dropout | None = None,
    classes: int = 10,
    steps: int | None = None,
    after_epoch: Callable[[int, Parameters], None] | None = None,
    before_step: Callable[[Parameters, Array, Array], None] | None = None,
    progress: str = "",
) -> Parameters:
    """Train the MLP and return its parameters.

    Parameters
    ----------
    x, y:
        Images (N, D), converted to ``recipe.dtype``, and integer labels (N,).
    recipe:
        Architecture, learning rate, seed and so on.
    dropout:
        The student's functions, or None to train without dropout. They receive one generator seeded
        from the recipe, call after call.
    classes:
        Number of classes K.
    steps:
        Stop after so many steps instead of ``recipe.epochs`` epochs.
    after_epoch, before_step:
        Called with the epoch number and parameters, and with the parameters and the minibatch.
    progress:
        Label of a progress bar on standard output; none when empty.
    """
    x = x.astype(recipe.dtype)
    parameters = initial_parameters((x.shape[1], *recipe.hidden, classes), recipe)
    velocity = [(np.zeros_like(w), np.zeros_like(b)) for w, b in parameters]
    rng = np.random.default_rng([recipe.seed, 2])
    per_epoch = -(-len(x) // recipe.batch_size)
    total = steps if steps is not None else recipe.epochs * per_epoch
    bar = tqdm(total=total, desc=progress, file=sys.stdout, disable=not progress, leave=False)
    for step, rows in zip(range(total), batches(len(x), recipe), strict=False):
        xb, yb = x[rows], y[rows]
        if before_step:
            before_step(parameters, xb, yb)
        logits, caches = forward(parameters, xb, dropout, True, rng)
        dlogits = softmax(logits)
        dlogits[np.arange(len(yb)), yb] -= 1
        dlogits /= len(yb)
        for (w, b), (vw, vb), (gw, gb) in zip(
            parameters, velocity, gradients(parameters, caches, dlogits, dropout), strict=True
        ):
            for value, v, grad in ((w, vw, gw), (b, vb, gb)):
                v *= recipe.momentum
                v += grad
                value -= recipe.lr * v
        bar.update()
        if after_epoch and (step + 1) % per_epoch == 0:
            after_epoch((step + 1) // per_epoch, parameters)
    bar.close()
    return parameters


def train_with_history(
    data: Any, recipe: Recipe, dropout: Dropout | None = None, progress: str = ""
) -> tuple[Parameters, dict[str, list[float]]]:
    """Train on ``data`` (a :class:`autograder.datasets.Images`) and measure after every epoch.

    Returns
    -------
    parameters, history:
        ``history`` has the lists ``train_loss``, ``train_accuracy``, ``test_loss`` and
        ``test_accuracy``, one entry per epoch. All four are measured in evaluation mode, over whole
        sets: train and test are comparable, and no average of unequal batches enters.
    """
    history: dict[str, list[float]] = {
        f"{part}_{what}": [] for part in ("train", "test") for what in ("loss", "accuracy")
    }

    def measure(epoch: int, parameters: Parameters) -> None:
        for part, x, y in (
            ("train", data.train_x, data.train_y),
            ("test", data.test_x, data.test_y),
        ):
            loss, accuracy = loss_and_accuracy(parameters, x, y)
            history[f"{part}_loss"].append(loss)
            history[f"{part}_accuracy"].append(accuracy)

    parameters = train_mlp(
        data.train_x, data.train_y, recipe, dropout, after_epoch=measure, progress=progress
    )
    return parameters, history


def train_with_dropout(
    dropout_forward: Callable[..., Any],
    dropout_backward: Callable[..., Any],
    x: Array,
    y: Array,
    recipe: dict[str, Any],
) -> Parameters:
    """Train with the student's dropout functions and return the parameters (runs beside them)."""
    settings = Recipe(**{**recipe, "hidden": tuple(recipe["hidden"])})
    return train_mlp(x, y, settings, Dropout(dropout_forward, dropout_backward, settings.p))


def record_steps(
    dropout_forward: Callable[..., Any],
    dropout_backward: Callable[..., Any],
    x: Array,
    y: Array,
    recipe: dict[str, Any],
    steps: int,
) -> dict[str, Any]:
    """Train for a few float64 steps and record all that PyTorch needs to replay them.

    Returns
    -------
    dict
        ``start`` and ``end`` parameters, ``batches`` of images and labels, and ``masks``: per step
        and hidden layer, which units the student's forward keeps, found by calling it on ones with a
        copy of the generator.
    """
    settings = replace(
        Recipe(**{**recipe, "hidden": tuple(recipe["hidden"])}), dtype="float64", batch_size=32
    )
    masks: list[list[Array]] = []
    seen: list[tuple[Array, Array]] = []
    start: list[Parameters] = []

    def probing_forward(x: Array, p: float, training: bool, rng: np.random.Generator) -> Any:
        probe, _cache = dropout_forward(np.ones_like(x), p, training, copy.deepcopy(rng))
        masks[-1].append(np.asarray(probe) != 0)
        return dropout_forward(x, p, training, rng)

    def note(parameters: Parameters, xb: Array, yb: Array) -> None:
        if not start:
            start.append([(w.copy(), b.copy()) for w, b in parameters])
        seen.append((xb, yb))
        masks.append([])

    dropout = Dropout(probing_forward, dropout_backward, settings.p)
    end = train_mlp(x, y, settings, dropout, steps=steps, before_step=note)
    return {"start": start[0], "end": end, "batches": seen, "masks": masks}
