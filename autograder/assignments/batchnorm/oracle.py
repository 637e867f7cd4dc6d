"""What does PyTorch say about batch normalization?

The only module of this assignment that imports torch. Arrays keep their dtype; the checks work in
float64.

References: Ioffe and Szegedy, *Batch Normalization* (ICML 2015); ``torch.nn.functional.batch_norm``;
``torch.nn.BatchNorm1d``; ``torch.nn.utils.fusion.fuse_linear_bn_weights``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.fusion import fuse_linear_bn_weights

from autograder.student.training import Parameters, Recipe

Array = NDArray[Any]
Running = dict[str, Array]
"""Running statistics of a layer: ``mean`` and ``var``, both of shape (D,)."""


def update_running(running: Mapping[str, Array], x: Array, momentum: float) -> Running:
    """Return the running statistics after a training batch ``x`` (N, D)."""
    mean, var = _tensor(running["mean"]), _tensor(running["var"])
    torch.nn.functional.batch_norm(_tensor(x), mean, var, training=True, momentum=momentum)
    return {"mean": mean.numpy(), "var": var.numpy()}


def forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running: Mapping[str, Array],
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Running]:
    """Return the output (N, D) of ``torch.nn.functional.batch_norm`` and the running statistics after."""
    mean, var = _tensor(running["mean"]), _tensor(running["var"])
    out = torch.nn.functional.batch_norm(
        _tensor(x), mean, var, _tensor(gamma), _tensor(beta), training, momentum, eps
    )
    return out.numpy(), {"mean": mean.numpy(), "var": var.numpy()}


def gradients(
    x: Array,
    gamma: Array,
    beta: Array,
    running: Mapping[str, Array],
    training: bool,
    eps: float,
    dout: Array,
) -> tuple[Array, Array, Array]:
    """Return dx (N, D), dgamma (D,) and dbeta (D,) for the upstream gradient ``dout``, by autograd."""
    leaves = [_tensor(a).requires_grad_() for a in (x, gamma, beta)]
    mean, var = _tensor(running["mean"]), _tensor(running["var"])
    out = torch.nn.functional.batch_norm(
        leaves[0], mean, var, leaves[1], leaves[2], training, 0.1, eps
    )
    out.backward(_tensor(dout))  # type: ignore[no-untyped-call]
    dx, dgamma, dbeta = (_gradient(leaf) for leaf in leaves)
    return dx, dgamma, dbeta


def undoing(x: Array, eps: float) -> tuple[Array, Array]:
    """Return the gamma and beta (D,) with which batch normalization of ``x`` gives ``x`` back."""
    var, mean = torch.var_mean(_tensor(x), dim=0, correction=0)
    return torch.sqrt(var + eps).numpy(), mean.numpy()


def count_parameters(features: Sequence[int]) -> tuple[int, int]:
    """Return how many parameters and running statistics a stack of ``BatchNorm1d`` layers has.

    ``num_batches_tracked``, the integer counter that PyTorch keeps per layer, is not a statistic and
    not counted.
    """
    layers = [torch.nn.BatchNorm1d(n) for n in features]
    trainable = sum(p.numel() for layer in layers for p in layer.parameters())
    statistics = sum(b.numel() for layer in layers for b in layer.buffers() if b.ndim)
    return trainable, statistics


def fold(
    w: Array, b: Array, gamma: Array, beta: Array, running: Mapping[str, Array], eps: float
) -> tuple[Array, Array]:
    """Return weights (in, out) and biases (out,) of a linear layer fused with the layer behind it."""
    fused_w, fused_b = fuse_linear_bn_weights(
        _tensor(w.T), _tensor(b), _tensor(running["mean"]), _tensor(running["var"]), eps,
        _tensor(gamma), _tensor(beta),
    )  # fmt: skip
    return fused_w.detach().numpy().T, fused_b.detach().numpy()


def replay_training(
    start: Parameters,
    batches: Sequence[tuple[Array, Array]],
    recipe: Recipe,
    momentum: float,
    eps: float,
) -> tuple[list[Parameters], list[Running]]:
    """Return the parameters that PyTorch reaches from ``start`` after each step, and the last running statistics.

    Parameters
    ----------
    start:
        Per layer weights ``(in, out)`` and biases ``(out,)``, of hidden layers also gamma and beta
        ``(out,)``, float64.
    batches:
        Per step images ``(N, D)`` and labels ``(N,)``.
    recipe:
        Learning rate and momentum of the optimizer.
    momentum, eps:
        Those of batch normalization.
    """
    layers = [[_tensor(a).requires_grad_() for a in layer] for layer in start]
    optimizer = torch.optim.SGD(
        [a for layer in layers for a in layer], lr=recipe.lr, momentum=recipe.momentum
    )
    widths = [len(b) for _w, b, *_own in start[:-1]]
    statistics = [(_tensor(np.zeros(n)), _tensor(np.ones(n))) for n in widths]
    after: list[Parameters] = []
    for x, y in batches:
        h = torch.from_numpy(x)
        for (w, b, gamma, beta), (mean, var) in zip(layers[:-1], statistics, strict=True):
            z = torch.nn.functional.batch_norm(
                h @ w + b, mean, var, gamma, beta, training=True, momentum=momentum, eps=eps
            )
            h = torch.relu(z)
        logits = h @ layers[-1][0] + layers[-1][1]
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y.astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        after.append([tuple(a.detach().numpy().copy() for a in layer) for layer in layers])
    return after, [{"mean": mean.numpy(), "var": var.numpy()} for mean, var in statistics]


def _tensor(a: Array) -> torch.Tensor:
    return torch.from_numpy(np.array(a))


def _gradient(leaf: torch.Tensor) -> Array:
    assert leaf.grad is not None
    return np.asarray(leaf.grad.numpy())
