"""How is a network trained out of student functions? A small MLP and its training loop, in NumPy.

    x → linear → hidden → linear → hidden → linear → softmax

``hidden`` is a ReLU and whatever an assignment puts beside it (:class:`Hidden`). Trained with minibatches
on the mean cross-entropy, by default with SGD with momentum in PyTorch's form
(``buf = momentum * buf + grad``, ``w -= lr * buf``). Weights have shape (in, out) and start from He's
initialisation (He et al., *Delving Deep into Rectifiers*, 2015): normal, standard deviation
sqrt(2 / in); biases start at zero.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

Array = NDArray[Any]
Rng = np.random.Generator
Parameters = list[tuple[Array, ...]]
"""Per layer its weights (in, out), its biases (out,) and, of hidden layers, their own parameters."""

Update = Callable[[Array, Array, dict[str, Any], float], tuple[Array, dict[str, Any]]]
"""``update(param, grad, state, lr)`` returns the new parameter and state; ``state`` is {} at first."""


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run depends on, besides the data and the student's functions.

    ``hidden`` are the widths of the hidden layers, ``lr`` is the learning rate, ``momentum`` that of the
    default update, ``dtype`` that of parameters and images.
    """

    hidden: tuple[int, ...] = (256, 256)
    lr: float = 0.05
    momentum: float = 0.9
    batch_size: int = 64
    epochs: int = 10
    seed: int = 0
    dtype: str = "float32"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Recipe:
        """Return the recipe that ``dataclasses.asdict`` took apart (or its JSON, with lists)."""
        return cls(**{**settings, "hidden": tuple(settings["hidden"])})


class Hidden:
    """What stands between two linear layers: a ReLU. Assignments override it with student functions."""

    def initial(self, width: int, dtype: str) -> tuple[Array, ...]:
        """Return the trainable parameters of a hidden layer of this width, besides w and b."""
        return ()

    def forward(
        self, layer: int, z: Array, own: tuple[Array, ...], training: bool, rng: Rng | None
    ) -> tuple[Array, Any]:
        """Return the output (N, H) of hidden layer number ``layer`` for ``z`` (N, H), and a cache."""
        return np.maximum(z, 0), z > 0

    def backward(self, dout: Array, cache: Any) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradient with respect to ``z``, and those of the layer's own parameters."""
        return dout * cache, ()


def initial_parameters(
    sizes: tuple[int, ...], recipe: Recipe, hidden: Hidden | None = None
) -> Parameters:
    """Return He-initialised weights (in, out) and zero biases (out,) for layers of these sizes."""
    rng = np.random.default_rng([recipe.seed, 0])
    hidden = hidden or Hidden()
    last = len(sizes) - 2
    return [
        (
            (rng.standard_normal((n, m)) * np.sqrt(2.0 / n)).astype(recipe.dtype),
            np.zeros(m, dtype=recipe.dtype),
            *(hidden.initial(m, recipe.dtype) if i < last else ()),
        )
        for i, (n, m) in enumerate(itertools.pairwise(sizes))
    ]


def parameter_shapes(
    sizes: tuple[int, ...], hidden: Hidden | None = None
) -> list[tuple[tuple[int, ...], ...]]:
    """Return per layer the shapes of its parameters, as :func:`initial_parameters` makes them."""
    hidden, last = hidden or Hidden(), len(sizes) - 2
    return [
        ((n, m), (m,), *(a.shape for a in (hidden.initial(m, "float32") if i < last else ())))
        for i, (n, m) in enumerate(itertools.pairwise(sizes))
    ]


def forward(
    parameters: Parameters,
    x: Array,
    hidden: Hidden | None = None,
    training: bool = False,
    rng: Rng | None = None,
) -> tuple[Array, list[tuple[Array, Any]]]:
    """Return logits (N, K) and per layer its input and the cache of its hidden part."""
    hidden = hidden or Hidden()
    caches: list[tuple[Array, Any]] = []
    h = x
    for i, (w, b, *own) in enumerate(parameters[:-1]):
        out, cache = hidden.forward(i, h @ w + b, tuple(own), training, rng)
        caches.append((h, cache))
        h = out
    w, b = parameters[-1]
    caches.append((h, None))
    return h @ w + b, caches


def gradients(
    parameters: Parameters,
    caches: list[tuple[Array, Any]],
    dlogits: Array,
    hidden: Hidden | None = None,
) -> Parameters:
    """Return the gradient of the loss for every parameter, by backpropagation."""
    hidden = hidden or Hidden()
    grads: Parameters = []
    dh = dlogits
    for i in reversed(range(len(parameters))):
        h, cache = caches[i]
        own: tuple[Array, ...] = ()
        if i < len(parameters) - 1:
            dh, own = hidden.backward(dh, cache)
        grads.append((h.T @ dh, dh.sum(axis=0), *own))
        if i:
            dh = dh @ parameters[i][0].T
    return grads[::-1]


def softmax(logits: Array) -> Array:
    """Return probabilities (N, K) from logits (N, K)."""
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(z / z.sum(axis=1, keepdims=True))


def probabilities(
    parameters: Parameters,
    x: Array,
    hidden: Hidden | None = None,
    training: bool = False,
    rng: Rng | None = None,
) -> Array:
    """Return class probabilities (N, K) for images ``x`` (N, D)."""
    return softmax(forward(parameters, x, hidden, training, rng)[0])


def loss_and_accuracy(
    parameters: Parameters, x: Array, y: Array, hidden: Hidden | None = None
) -> tuple[float, float]:
    """Return mean cross-entropy in nats and accuracy, in evaluation mode."""
    p = probabilities(parameters, x, hidden)
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
    hidden: Hidden | None = None,
    update: Update | None = None,
    classes: int = 10,
    steps: int | None = None,
    after_epoch: Callable[[int, Parameters], None] | None = None,
    after_step: Callable[[int, float], None] | None = None,
    after_update: Callable[[int, Parameters], None] | None = None,
    progress: str = "",
) -> Parameters:
    """Train the MLP and return its parameters.

    Parameters
    ----------
    x, y:
        Images (N, D), converted batch by batch to ``recipe.dtype``, and integer labels (N,).
    recipe:
        Architecture, learning rate, seed and so on.
    hidden:
        The hidden layers with the student's functions in them, or None for a plain ReLU. They receive
        one generator seeded from the recipe, call after call.
    update:
        The student's optimizer step, called for every parameter with a state of its own; None for
        SGD with ``recipe.momentum``.
    classes:
        Number of classes K.
    steps:
        Stop after so many steps instead of ``recipe.epochs`` epochs.
    after_epoch, after_step, after_update:
        Called with the epoch number and the parameters; with the step number and the loss of its
        minibatch (in nats, before the step); and with the step number and the parameters after the
        step. All numbers start at 1.
    progress:
        Label of a progress bar on standard output; none when empty.
    """
    hidden = hidden or Hidden()
    x = np.asarray(x)  # functions get plain arrays, from a mapped file too
    parameters = initial_parameters((x.shape[1], *recipe.hidden, classes), recipe, hidden)
    states: list[list[dict[str, Any]]] = [[{} for _ in layer] for layer in parameters]
    rng = np.random.default_rng([recipe.seed, 2])
    per_epoch = -(-len(x) // recipe.batch_size)
    total = steps if steps is not None else recipe.epochs * per_epoch
    bar = tqdm(total=total, desc=progress, file=sys.stdout, disable=not progress, leave=False)
    for step, rows in zip(range(1, total + 1), batches(len(x), recipe), strict=False):
        xb, yb = x[rows].astype(recipe.dtype, copy=False), y[rows]
        logits, caches = forward(parameters, xb, hidden, True, rng)
        dlogits = softmax(logits)
        if after_step:
            picked = np.maximum(dlogits[np.arange(len(yb)), yb], 1e-30)
            after_step(step, float(-np.log(picked).mean()))
        dlogits[np.arange(len(yb)), yb] -= 1
        dlogits /= len(yb)
        grads = gradients(parameters, caches, dlogits, hidden)
        for i, layer in enumerate(parameters):
            updated = []
            for k, param in enumerate(layer):
                state = states[i][k]
                if update is not None:
                    param, states[i][k] = update(param, grads[i][k], state, recipe.lr)
                else:
                    state["buf"] = recipe.momentum * state.get("buf", 0) + grads[i][k]
                    param = param - recipe.lr * state["buf"]
                updated.append(param)
            parameters[i] = tuple(updated)
        if after_update:
            after_update(step, parameters)
        bar.update()
        if after_epoch and step % per_epoch == 0:
            after_epoch(step // per_epoch, parameters)
    bar.close()
    return parameters


def train_with_history(
    data: Any,
    recipe: Recipe,
    hidden: Hidden | None = None,
    update: Update | None = None,
    progress: str = "",
) -> tuple[Parameters, dict[str, list[float]]]:
    """Train on ``data`` (a :class:`autograder.student.datasets.Images`) and measure after every epoch.

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
            loss, accuracy = loss_and_accuracy(parameters, x, y, hidden)
            history[f"{part}_loss"].append(loss)
            history[f"{part}_accuracy"].append(accuracy)

    parameters = train_mlp(
        data.train_x,
        data.train_y,
        recipe,
        hidden,
        update,
        after_epoch=measure,
        progress=progress,
    )
    return parameters, history


def minibatches(
    x: Array, y: Array, recipe: Recipe, steps: int
) -> list[tuple[Array, NDArray[np.int64]]]:
    """Return the images (N, D) and labels (N,) that ``train_mlp`` sees in its first steps."""
    rows = itertools.islice(batches(len(x), recipe), steps)
    return [(x[r].astype(recipe.dtype), y[r]) for r in rows]


def opening(
    x: Array, y: Array, recipe: Recipe, steps: int, hidden: Hidden | None = None
) -> tuple[Parameters, list[tuple[Array, NDArray[np.int64]]]]:
    """Return the parameters that ``train_mlp`` starts from, and the minibatches of its first steps."""
    sizes = (x.shape[1], *recipe.hidden, 10)
    return initial_parameters(sizes, recipe, hidden), minibatches(x, y, recipe, steps)


def flatten(parameters: Parameters) -> Array:
    """Return all parameters of all layers as one vector."""
    return np.concatenate([np.ravel(a) for layer in parameters for a in layer])
