"""What does PyTorch say about optimizers, gradient clipping and learning-rate schedules?

The only module of this assignment that imports torch. Everything is float64 NumPy in and out. Nothing
is recomputed here: parameters are moved by ``torch.optim``, learning rates come from
``torch.optim.lr_scheduler``.

References: the documentation of the classes of ``torch.optim``, and Polyak, *Some methods of speeding up the
convergence of iteration methods* (1964), momentum; Nesterov (1983) in the form of Sutskever et al., *On the
importance of initialization and momentum in deep learning* (ICML 2013); Duchi, Hazan and Singer, *Adaptive
subgradient methods* (JMLR 2011), AdaGrad; Tieleman and Hinton, lecture 6.5 (2012), RMSProp, centered by Graves,
*Generating sequences with recurrent neural networks* (2013); Kingma and Ba, *Adam* (ICLR 2015), Adam and AdaMax;
Reddi, Kale and Kumar, *On the convergence of Adam and beyond* (ICLR 2018), AMSGrad; Dozat, *Incorporating Nesterov
momentum into Adam* (2016), NAdam; Loshchilov and Hutter, *Decoupled weight decay regularization* (ICLR 2019), AdamW;
Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks* (ICML 2013), clipping by
norm; Smith and Topin, *Super-convergence* (2017), one cycle.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim import lr_scheduler

from autograder.student.training import Parameters

Array = NDArray[Any]

OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {}),
    "adamax": (torch.optim.Adamax, {}),
    "nadam": (torch.optim.NAdam, {}),
    "adamw": (torch.optim.AdamW, {}),
}
"""Per student function PyTorch's class, and the arguments in which its defaults are not the course's."""


def optimizer(
    name: str, parameters: list[torch.Tensor], lr: float, options: Mapping[str, Any] | None = None
) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer for the student function ``name``."""
    make, settings = OPTIMIZERS[name]
    return make(parameters, lr=lr, **{**settings, **(options or {})})


def trajectory(
    name: str, start: Array, grads: Array, rates: Sequence[float], options: Mapping[str, Any]
) -> list[Array]:
    """Return the parameter after each step.

    Parameters
    ----------
    name:
        The student function whose place PyTorch's optimizer takes.
    start:
        Parameter before the first step, any shape; integers are taken as floats.
    grads:
        The gradient of each step, shape (steps, *start.shape).
    rates:
        The learning rate of each step.
    options:
        Arguments of the student function that are not at their default.
    """
    leaf = torch.from_numpy(start.astype(np.float64)).requires_grad_()
    stepper = optimizer(name, [leaf], rates[0], options)
    step = inspect.unwrap(type(stepper).step)  # its profiling decorators take longer than the step
    out = []
    with torch.no_grad():
        for grad, lr in zip(torch.from_numpy(grads.astype(np.float64)), rates, strict=True):
            stepper.param_groups[0]["lr"] = lr
            leaf.grad = grad
            step(stepper)
            out.append(leaf.numpy().copy())
    return out


def clip_by_value(grads: Sequence[Array], limit: float) -> list[Array]:
    """Return what ``torch.nn.utils.clip_grad_value_`` makes of the gradients."""
    leaves = _leaves_with(grads)
    torch.nn.utils.clip_grad_value_(leaves, limit)
    return _grads_of(leaves)


def clip_by_norm(grads: Sequence[Array], max_norm: float) -> list[Array]:
    """Return what ``torch.nn.utils.clip_grad_norm_`` makes of the gradients."""
    leaves = _leaves_with(grads)
    torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    return _grads_of(leaves)


def _leaves_with(grads: Sequence[Array]) -> list[torch.Tensor]:
    leaves = []
    for grad in grads:
        leaf = torch.zeros(grad.shape, dtype=torch.float64, requires_grad=True)
        leaf.grad = torch.from_numpy(grad.astype(np.float64))
        leaves.append(leaf)
    return leaves


def _grads_of(leaves: Sequence[torch.Tensor]) -> list[Array]:
    return [leaf.grad.numpy() for leaf in leaves if leaf.grad is not None]


# -- schedules: the learning rates at steps 0, 1, ..., steps - 1 ---------------------------------


def _table(
    lr: float, steps: int, make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]
) -> Array:
    """Return the learning rates that a scheduler gives an optimizer whose own is ``lr``."""
    stepper = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer takes no steps, which PyTorch remarks upon
        scheduler = make(stepper)
        rates = [float(stepper.param_groups[0]["lr"])]
        for _step in range(steps - 1):
            scheduler.step()
            rates.append(float(stepper.param_groups[0]["lr"]))
    return np.array(rates)


def power_decay(steps: int, lr0: float, s: float, c: float) -> Array:
    """Return the rates lr0 / (1 + step/s)**c, by ``LambdaLR``."""
    return _table(
        lr0, steps, lambda stepper: lr_scheduler.LambdaLR(stepper, lambda k: (1 + k / s) ** -c)
    )


def exponential_decay(steps: int, lr0: float, s: float) -> Array:
    """Return the rates of ``ExponentialLR`` with the factor 0.1 every ``s`` steps."""
    return _table(lr0, steps, lambda stepper: lr_scheduler.ExponentialLR(stepper, 0.1 ** (1 / s)))


def piecewise_constant(steps: int, boundaries: Sequence[int], values: Sequence[float]) -> Array:
    """Return values that change at the steps where ``MultiStepLR`` changes its own."""
    exponents = _table(
        1.0, steps, lambda stepper: lr_scheduler.MultiStepLR(stepper, list(boundaries), gamma=0.5)
    )
    pieces = np.round(-np.log2(exponents)).astype(int)
    return np.asarray(np.array(values, dtype=np.float64)[pieces])


def one_cycle(total_steps: int, max_lr: float, options: Mapping[str, Any]) -> Array:
    """Return all learning rates of ``OneCycleLR`` with its cosine form."""
    return _table(
        1.0,
        total_steps,
        lambda stepper: lr_scheduler.OneCycleLR(
            stepper, max_lr, total_steps=total_steps, cycle_momentum=False, **options
        ),
    )


def reduce_on_plateau(lr: float, losses: Sequence[float], options: Mapping[str, Any]) -> Array:
    """Return the learning rate after each loss, by ``ReduceLROnPlateau``, however small the change."""
    stepper = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = lr_scheduler.ReduceLROnPlateau(stepper, eps=0.0, **options)
    rates = []
    for loss in losses:
        scheduler.step(loss)
        rates.append(float(stepper.param_groups[0]["lr"]))
    return np.array(rates)


# -- training ----------------------------------------------------------------------------------


def replay_training(
    name: str, start: Parameters, batches: Sequence[tuple[Array, Array]], lr: float
) -> list[Parameters]:
    """Return the parameters that PyTorch's network and optimizer reach from ``start``, after each step.

    Parameters
    ----------
    name:
        The student function whose place the optimizer takes.
    start:
        Weights ``(in, out)`` and biases ``(out,)`` of each layer, float64; ReLU between the layers.
    batches:
        Per step images ``(N, D)`` and labels ``(N,)``.
    lr:
        Learning rate.
    """
    parameters = [torch.from_numpy(a.copy()).requires_grad_() for layer in start for a in layer]
    stepper = optimizer(name, list(parameters), lr)
    after: list[Parameters] = []
    for x, y in batches:
        h = torch.from_numpy(x)
        for i in range(0, len(parameters) - 2, 2):
            h = torch.relu(h @ parameters[i] + parameters[i + 1])
        logits = h @ parameters[-2] + parameters[-1]
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y.astype(np.int64)))
        stepper.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
        arrays = [a.detach().numpy().copy() for a in parameters]
        after.append(list(zip(arrays[0::2], arrays[1::2], strict=True)))
    return after
