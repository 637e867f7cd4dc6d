"""What does PyTorch say about dropout?

The only module of this assignment that imports torch. Everything is float64 NumPy in and out unless
said otherwise.

References: Srivastava et al., *Dropout* (JMLR 2014); ``torch.nn.functional.dropout``; Gal and
Ghahramani, *Dropout as a Bayesian Approximation* (ICML 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autograder.student.training import Parameters, Recipe

Array = NDArray[Any]


def keep_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which units the course's convention keeps: where ``rng.random(shape) >= p``."""
    return np.asarray(torch.from_numpy(np.asarray(rng.random(shape))).ge(p).numpy())


def torch_keep_mask(shape: tuple[int, ...], p: float, seed: int) -> NDArray[np.bool_]:
    """Return the mask that ``torch.nn.functional.dropout`` draws after ``torch.manual_seed(seed)``.

    Captured from PyTorch at run time: its stream differs between processors, so none can be stored.
    """
    return np.asarray(torch_forward(np.ones(shape), p, seed) != 0)


def torch_dropout(x: Array, p: float, seed: int, dout: Array) -> tuple[Array, Array]:
    """Return output and input gradient of ``torch.nn.functional.dropout`` itself under a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        leaf = torch.from_numpy(x.copy()).requires_grad_()
        out = torch.nn.functional.dropout(leaf, p, training=True)
        out.backward(torch.from_numpy(dout.copy()))  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return out.detach().numpy(), leaf.grad.numpy()


def torch_forward(x: Array, p: float, seed: int) -> Array:
    """Return the output of ``torch.nn.functional.dropout`` itself under a seed."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        out = torch.nn.functional.dropout(torch.from_numpy(x.copy()), p, training=True)
    return np.asarray(out.numpy())


def forward_given_mask(x: Array, keep: NDArray[np.bool_], p: float, inverted: bool = True) -> Array:
    """Return the output of dropout with a given mask; see :func:`dropout_given_mask`."""
    with torch.no_grad():
        return np.asarray(_masked(torch.from_numpy(x.copy()), keep, p, inverted).numpy())


def _masked(x: torch.Tensor, keep: NDArray[np.bool_], p: float, inverted: bool) -> torch.Tensor:
    scale = 1.0 if not inverted else 0.0 if p == 1 else 1.0 / (1.0 - p)
    return x * (torch.from_numpy(keep.copy()).to(x.dtype) * scale)


def dropout_given_mask(
    x: Array, keep: NDArray[np.bool_], p: float, dout: Array, inverted: bool = True
) -> tuple[Array, Array]:
    """Return output and input gradient of dropout with a given mask, by autograd.

    Parameters
    ----------
    x, dout:
        Input and upstream gradient, any shape, same dtype.
    keep:
        Boolean array of that shape: True where the unit is kept.
    p:
        Drop probability; everything is dropped at 1.
    inverted:
        Whether kept units are multiplied by 1/(1-p), as PyTorch does, or left alone, as in the paper.
    """
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    out = _masked(leaf, keep, p, inverted)
    out.backward(torch.from_numpy(dout.copy()))  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return out.detach().numpy(), leaf.grad.numpy()


def evaluation(x: Array, p: float, dout: Array) -> tuple[Array, Array]:
    """Return output and input gradient of ``torch.nn.functional.dropout`` with ``training=False``."""
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    out = torch.nn.functional.dropout(leaf, p, training=False)
    out.backward(torch.from_numpy(dout.copy()))  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return out.detach().numpy(), leaf.grad.numpy()


def mean_and_std(samples: Sequence[Array]) -> tuple[Array, Array]:
    """Return mean and population standard deviation over the first axis of stacked samples."""
    stacked = torch.from_numpy(np.stack(samples))
    return stacked.mean(dim=0).numpy(), stacked.std(dim=0, correction=0).numpy()


def replay_training(
    start: Parameters,
    batches: Sequence[tuple[Array, Array]],
    masks: Sequence[Sequence[NDArray[np.bool_]]],
    recipe: Recipe,
    p: float,
) -> list[Parameters]:
    """Return the parameters that PyTorch reaches from ``start``, after each of the same steps.

    Parameters
    ----------
    start:
        Weights ``(in, out)`` and biases ``(out,)`` of each layer, float64.
    batches:
        Per step images ``(N, D)`` and labels ``(N,)``.
    masks:
        Per step and hidden layer which units ``(N, H)`` were kept.
    recipe:
        Learning rate and momentum.
    p:
        Drop probability.
    """
    parameters = [torch.from_numpy(a.copy()).requires_grad_() for layer in start for a in layer]
    optimizer = torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum)
    scale = 1.0 / (1.0 - p)
    after: list[Parameters] = []
    for (x, y), keeps in zip(batches, masks, strict=True):
        h = torch.from_numpy(x)
        for i, keep in enumerate(keeps):
            h = torch.relu(h @ parameters[2 * i] + parameters[2 * i + 1])
            h = h * (torch.from_numpy(keep).to(h.dtype) * scale)
        logits = h @ parameters[-2] + parameters[-1]
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y.astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        arrays = [a.detach().numpy().copy() for a in parameters]
        after.append(list(zip(arrays[0::2], arrays[1::2], strict=True)))
    return after
