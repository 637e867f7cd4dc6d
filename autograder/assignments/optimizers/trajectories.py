"""How is an optimizer moved along a trajectory? The optimizers of the assignment, and cases for them.

A case is a parameter, the gradients of a few steps and their learning rates, with the parameters that
PyTorch reaches. Gradients do not depend on the parameter, so one wrong step does not change what later ones
are given; the step at which a trajectory first deviates is the one that a student sees.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.assignments.optimizers import oracle
from autograder.engine.colocate import colocate
from autograder.engine.declare import Case, Functions
from autograder.engine.messages import N_, _
from autograder.engine.observe import array, parts
from autograder.student.networks import optimizers as network
from autograder.student.outcome import WrongReturn

Array = NDArray[Any]
Rng = np.random.Generator
Options = Mapping[str, Any]

LR = 0.1
STEPS = 8
SIZES = (1.0, 0.5, 2.0, 0.4, 1.5, 0.6, 3.0, 0.5)  # of the gradients, step by step
CHANGING_LR = (0.1, 0.1, 0.01, 0.05, 0.2, 0.2, 0.02, 0.1)

NO_STATE: Any = {}  # copied before it is passed on, as every state is


@dataclass(frozen=True)
class Extra:
    """An argument of one optimizer that is scored as an aspect of its own."""

    name: str
    says: str
    options: Options
    rates: Sequence[float] | None = None


@dataclass(frozen=True)
class Optimizer:
    """How one student function is checked.

    Attributes
    ----------
    name:
        Of the student function, and of the oracle's entry.
    settings:
        Its usual arguments at other values than their defaults; empty if it has none.
    eps:
        Arguments with an ``eps`` so large that its place matters; empty if it has none.
    extras:
        Arguments that are scored one by one.
    fixed:
        Arguments that are passed wherever the aspect is not about them.
    scale:
        Size of the gradients where the aspect is not about small ones.
    atol:
        Absolute tolerance of the parameters.
    """

    name: str
    settings: Options = field(default_factory=dict)
    eps: Options = field(default_factory=lambda: {"eps": 1.0})
    extras: tuple[Extra, ...] = ()
    fixed: Options = field(default_factory=dict)
    scale: float = 1.0
    atol: float = 1e-9


BETAS = {"betas": (0.8, 0.95)}
_AMSGRAD = Extra(
    "amsgrad",
    N_("amsgrad divides by the root of the largest v so far (of the uncorrected ones)"),
    {"amsgrad": True, "betas": (0.9, 0.9)},
)
OPTIMIZERS = {
    row.name: row
    for row in (
        Optimizer("sgd", eps={}),
        Optimizer(
            "momentum",
            {"momentum": 0.7},
            eps={},
            extras=(
                Extra(
                    "dampening",
                    N_("new gradients are multiplied by 1 - dampening, except in the first step"),
                    {"dampening": 0.3},
                ),
            ),
        ),
        Optimizer("nesterov", {"momentum": 0.7}, eps={}),
        Optimizer(
            "adagrad",
            extras=(
                Extra(
                    "lr_decay",
                    N_("the learning rate of step t is lr / (1 + (t - 1) * lr_decay)"),
                    {"lr_decay": 0.5},
                ),
            ),
        ),
        Optimizer(
            "rmsprop",
            {"alpha": 0.8},
            extras=(
                Extra(
                    "momentum",
                    N_(
                        "with momentum, buf = momentum * buf + g / (root + eps), times lr in the end"
                    ),
                    {"momentum": 0.8, "alpha": 0.9},
                    CHANGING_LR,  # a learning rate inside the buffer shows only then
                ),
                Extra(
                    "centered",
                    N_("centered subtracts the square of the average gradient under the root"),
                    {"centered": True, "alpha": 0.9},
                ),
            ),
            scale=25.0,  # v starts so small that with gradients near 1 the place of eps already shows
        ),
        Optimizer("adam", BETAS, extras=(_AMSGRAD,)),
        Optimizer(
            "adamax",
            BETAS,
            # With beta2 near 1 the old maximum, eps included, hardly decays.
            eps={"eps": 1.0, "betas": (0.9, 0.9)},
        ),
        Optimizer(
            "nadam",
            BETAS,
            extras=(
                Extra(
                    "momentum_decay",
                    N_("mu grows from step to step as momentum_decay says"),
                    {"momentum_decay": 0.5},
                ),
            ),
            atol=1e-7,  # PyTorch keeps the product of the mu in float32
        ),
        Optimizer("adamw", BETAS, fixed={"weight_decay": 0.0}),
    )
}


def step(
    f: Functions, param: Array, grad: Array, state: Any, lr: float, options: Options
) -> tuple[Array, Any]:
    """Call the student's function on copies and return the new parameter and state."""
    result = f[0](param.copy(), grad.copy(), copy.deepcopy(state), lr, **options)
    new, state = parts(result, "param", "state")
    return array(new, "param"), state


def play(f: Functions, c: Case) -> list[Array]:
    """Return the parameter after each step of a case.

    Raises
    ------
    WrongReturn
        If the first step leaves the parameter where it was: a function that does nothing should not earn
        the points for keeping dtype, shape and inputs.
    """
    results = colocate(
        network.walk, f, param=c.param, grads=c.grads, rates=list(c.rates), options=dict(c.options)
    )
    return moved(c.param, results)


def moved(start: Array, results: Sequence[Any]) -> list[Array]:
    """Return the parameter after each step from what the student's function returned.

    Raises
    ------
    WrongReturn
        If it returned something else, or the first step leaves the parameter where it was.
    """
    out = [array(parts(result, "param", "state")[0], "param").copy() for result in results]
    require_move(start, out[0])
    return out


def require_move(before: Array, after: Array) -> None:
    """Raise WrongReturn if a step did nothing."""
    if np.array_equal(before, after):
        raise WrongReturn(_("the step leaves param where it was"))


def values(rng: Rng, shape: tuple[int, ...]) -> Array:
    """Draw values between 0.5 and 2 in size, of either sign."""
    spread = rng.uniform(-1.5, 1.5, shape)
    return np.asarray(spread + np.copysign(0.5, spread))


def case(
    rng: Rng,
    optimizer: Optimizer,
    label: str,
    shape: tuple[int, ...] = (2,),
    steps: int = STEPS,
    options: Options | None = None,
    rates: Sequence[float] | None = None,
    scale: float = 1.0,
    judged: bool = True,
) -> Case:
    """Draw a parameter and gradients, and have PyTorch take the steps if the parameters are ``judged``."""
    options = optimizer.fixed if options is None else options
    rates = [LR] * steps if rates is None else rates[:steps]
    param = values(rng, shape)
    sizes = [scale * optimizer.scale * SIZES[t % len(SIZES)] for t in range(steps)]
    grads = np.stack([size * values(rng, shape) for size in sizes])
    given = {
        "param": param,
        "grads": grads,
        "rates": rates,
        "options": options,
        "atol": optimizer.atol,
    }
    if not judged:
        return Case(label, given)
    expected = oracle.trajectory(optimizer.name, param, grads, rates, options)
    before = [param, *expected]
    beside = {
        after(t, steps): {"param before it": before[t], "gradient": grads[t], "lr": rates[t]}
        for t in range(steps)
        if param.size <= 6
    }
    return Case(label, {**given, "expected": expected}, (), beside)


def after(t: int, steps: int) -> str:
    """Return what the parameter after step ``t`` (from 0) is called."""
    return "param after the step" if steps == 1 else f"param after step {t + 1} of {steps}"


def described(options: Options) -> str:
    """Return arguments as a student would write them."""
    return ", ".join(f"{name} = {value}" for name, value in options.items())


def same_state(one: Any, other: Any) -> bool:
    """Tell whether two states hold the same numbers; of unknown objects only the type is compared."""
    if isinstance(one, np.ndarray | np.generic | int | float):
        return np.shape(one) == np.shape(other) and np.array_equal(one, other, equal_nan=True)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_state(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_state, one, other))
    return True
