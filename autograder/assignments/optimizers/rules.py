"""How is a wrong optimizer written in one line? Update rules with places at which the catalogue changes them.

A *family* computes by how much a parameter moves: ``family(g, s, c)`` takes the gradient, the state as a
namespace and the arguments of the call as a namespace, updates the (new) state and returns the move. The
step around it, :func:`rule`, counts ``s.t`` from 1, applies weight decay and subtracts the move. With the
values that families have by default they are sound, so each entry of the catalogue differs in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Family = Callable[[Array, SimpleNamespace, SimpleNamespace], Any]
Step = Callable[..., tuple[Array, dict[str, Any]]]
Decay = Callable[[Array, Array, SimpleNamespace], tuple[Any, Any]]

BETAS = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"weight_decay": 0.0},
    "momentum": {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0},
    "nesterov": {"momentum": 0.9, "weight_decay": 0.0},
    "adagrad": {"lr_decay": 0.0, "weight_decay": 0.0, "eps": 1e-10},
    "rmsprop": {
        "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False,
    },
    "adam": {**BETAS, "amsgrad": False},
    "adamax": BETAS,
    "nadam": {**BETAS, "momentum_decay": 4e-3},
    "adamw": {**BETAS, "weight_decay": 1e-2},
}  # fmt: skip
"""Arguments of the student functions and their defaults, the learning rate aside."""


# -- weight decay ------------------------------------------------------------------------------


def l2(param: Array, grad: Array, c: SimpleNamespace) -> tuple[Any, Any]:
    """Add ``weight_decay * param`` to the gradient."""
    return param, grad + c.weight_decay * param


def decoupled(param: Array, grad: Array, c: SimpleNamespace) -> tuple[Any, Any]:
    """Shrink the parameter by ``lr * weight_decay``, before the step (Loshchilov and Hutter, 2019)."""
    return param * (1 - c.lr * c.weight_decay), grad


def no_decay(param: Array, grad: Array, c: SimpleNamespace) -> tuple[Any, Any]:
    """Forget weight decay."""
    return param, grad


# -- the step around a family ------------------------------------------------------------------


def rule(
    defaults: Mapping[str, Any],
    family: Family,
    decay: Decay = l2,
    finish: Callable[[Any, SimpleNamespace], Any] = lambda param, c: param,
    start: int = 0,
    count: Callable[[int], int] = lambda t: t + 1,
) -> Step:
    """Return an optimizer step; ``finish`` changes the parameter after it, ``count`` the step count."""

    def step(
        param: Array, grad: Array, state: dict[str, Any], lr: float = 0.01, **options: Any
    ) -> tuple[Array, dict[str, Any]]:
        s = SimpleNamespace(**{"t": start, **state})
        s.t = count(s.t)
        c = SimpleNamespace(**{**defaults, **options}, lr=lr, param=param, t=s.t)
        shrunk, g = decay(param, grad, c)
        with np.errstate(all="ignore"):
            new = finish(shrunk - family(g, s, c), c)
        return np.asarray(new), vars(s)

    return step


def average(old: Any, new: Array, beta: float) -> Any:
    """Return the moving average ``beta * old + (1 - beta) * new``, which starts from zero (None)."""
    return (0 if old is None else beta * old) + (1 - beta) * new


def moment(s: SimpleNamespace, name: str, value: Any) -> Any:
    """Store a value in the state and return it."""
    setattr(s, name, value)
    return value


# -- families ----------------------------------------------------------------------------------


def plain(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
    """Move by ``lr * g``: stochastic gradient descent."""
    return c.lr * g


def momentum(
    first: Callable[..., Any] = lambda g, c: g,
    later: Callable[..., Any] = lambda buf, g, c: (
        c.momentum * buf + (1 - getattr(c, "dampening", 0)) * g
    ),
    move: Callable[..., Any] = lambda g, buf, old, c: c.lr * buf,
) -> Family:
    """Return SGD with momentum (Polyak, 1964) in PyTorch's form: buf = momentum * buf + (1 - dampening) * g.

    ``move`` also sees the buffer before the step (None at first).
    """

    def family(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
        old = getattr(s, "buf", None)
        buf = moment(s, "buf", first(g, c) if old is None else later(old, g, c))
        return move(g, buf, old, c)

    return family


def nesterov(**changes: Any) -> Family:
    """Return Nesterov's momentum (Sutskever et al., 2013): it moves by ``lr * (g + momentum * buf)``."""
    ahead = lambda g, buf, old, c: c.lr * (g + c.momentum * buf)  # noqa: E731
    return momentum(**{"move": ahead, **changes})


def adagrad(
    add: Callable[..., Any] = lambda s, g, c: s + g * g,
    root: Callable[..., Any] = lambda s, c: np.sqrt(s) + c.eps,
    rate: Callable[..., Any] = lambda t, c: c.lr / (1 + (t - 1) * c.lr_decay),
    move: Callable[..., Any] = lambda g, root, rate, c: rate * g / root,
    start: float = 0.0,
) -> Family:
    """Return AdaGrad (Duchi et al., 2011): the sum of squares under the root."""

    def family(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
        total = moment(s, "sum", add(getattr(s, "sum", start), g, c))
        return move(g, root(total, c), rate(s.t, c), c)

    return family


def rmsprop(
    add: Callable[..., Any] = lambda v, g, c: average(v, g * g, c.alpha),
    center: Callable[..., Any] = lambda v, a, c: v - a * a,
    root: Callable[..., Any] = lambda v, c: np.sqrt(v) + c.eps,
    divide: Callable[..., Any] = lambda g, root, c: g / root,
    buffer: Callable[..., Any] = lambda buf, d, c: c.momentum * buf + d,
    move: Callable[..., Any] = lambda buf, c: c.lr * buf,
) -> Family:
    """Return RMSProp (Tieleman and Hinton, 2012; centered: Graves, 2013)."""

    def family(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
        v = moment(s, "v", add(getattr(s, "v", None), g, c))
        if c.centered:
            a = moment(s, "a", average(getattr(s, "a", None), g, c.alpha))
            v = center(v, a, c)
        d = divide(g, root(v, c), c)
        if c.momentum:
            return move(moment(s, "buf", buffer(getattr(s, "buf", 0), d, c)), c)
        return c.lr * d

    return family


def adam(
    first: Callable[..., Any] = lambda m, g, b: average(m, g, b),
    second: Callable[..., Any] = lambda v, g, b: average(v, g * g, b),
    correct: Callable[..., tuple[Any, Any]] = lambda b1, b2, t: (1 - b1**t, 1 - b2**t),
    largest: Callable[..., tuple[Any, Any]] = lambda old, v, c2: (
        v if old is None else np.maximum(old, v),
        c2,
    ),
    move: Callable[..., Any] = lambda m, v, c1, c2, c: c.lr * (m / c1) / ((v / c2) ** 0.5 + c.eps),
    keep: Callable[..., Any] = lambda s, m, v, c1, c2: None,
) -> Family:
    """Return Adam (Kingma and Ba, 2015, algorithm 1).

    ``largest`` is the maximum of AMSGrad (Reddi et al., 2018), ``keep`` may change the state in the end.
    """

    def family(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
        b1, b2 = c.betas
        m = moment(s, "m", first(getattr(s, "m", None), g, b1))
        v = moment(s, "v", second(getattr(s, "v", None), g, b2))
        c1, c2 = correct(b1, b2, s.t)
        if getattr(c, "amsgrad", False):
            v, c2 = largest(getattr(s, "max", None), v, c2)
            s.max = v
        keep(s, m, v, c1, c2)
        return move(m, v, c1, c2, c)

    return family


def adamax(
    first: Callable[..., Any] = lambda m, g, b: average(m, g, b),
    bound: Callable[..., Any] = lambda u, g, b, eps: np.maximum(b * u, np.abs(g) + eps),
    correct: Callable[..., Any] = lambda b1, b2, t: 1 - b1**t,
    move: Callable[..., Any] = lambda m, u, c1, t, c: c.lr / c1 * m / u,
) -> Family:
    """Return AdaMax (Kingma and Ba, 2015, algorithm 2), with eps where PyTorch has it."""

    def family(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
        b1, b2 = c.betas
        m = moment(s, "m", first(getattr(s, "m", None), g, b1))
        u = moment(s, "u", bound(getattr(s, "u", np.zeros_like(g)), g, b2, c.eps))
        return move(m, u, correct(b1, b2, s.t), s.t, c)

    return family


def nadam(
    mu: Callable[..., Any] = lambda b1, t, psi: b1 * (1 - 0.5 * 0.96 ** (t * psi)),
    following: Callable[..., Any] = lambda now, after: after,
    product: Callable[..., Any] = lambda old, mu, b1, t: old * mu,
    weights: Callable[..., tuple[Any, Any]] = lambda mu, after, p: (
        (1 - mu) / (1 - p),
        after / (1 - p * after),
    ),
    correct: Callable[..., Any] = lambda b2, t: 1 - b2**t,
    root: Callable[..., Any] = lambda v, eps: v**0.5 + eps,
    first: Callable[..., Any] = lambda m, g, b: average(m, g, b),
    second: Callable[..., Any] = lambda v, g, b: average(v, g * g, b),
) -> Family:
    """Return NAdam (Dozat, 2016).

    ``following`` chooses the mu of the next step, ``weights`` those of g and m.
    """

    def family(g: Array, s: SimpleNamespace, c: SimpleNamespace) -> Any:
        b1, b2 = c.betas
        m = moment(s, "m", first(getattr(s, "m", None), g, b1))
        v = moment(s, "v", second(getattr(s, "v", None), g, b2))
        now = mu(b1, s.t, c.momentum_decay)
        after = following(now, mu(b1, s.t + 1, c.momentum_decay))
        p = moment(s, "product", product(getattr(s, "product", 1.0), now, b1, s.t))
        of_g, of_m = weights(now, after, p)
        return c.lr * (of_g * g + of_m * m) / root(v / correct(b2, s.t), c.eps)

    return family


SOUND: dict[str, tuple[Family, Decay]] = {
    "sgd": (plain, l2),
    "momentum": (momentum(), l2),
    "nesterov": (nesterov(), l2),
    "adagrad": (adagrad(), l2),
    "rmsprop": (rmsprop(), l2),
    "adam": (adam(), l2),
    "adamax": (adamax(), l2),
    "nadam": (nadam(), l2),
    "adamw": (adam(), decoupled),
}
"""Per student function what it moves by and how it decays, where the mistake lies elsewhere."""


def sound(name: str, **changes: Any) -> Step:
    """Return the step of an optimizer; ``changes`` are arguments of :func:`rule`."""
    family, decay = SOUND[name]
    return rule(DEFAULTS[name], **{"family": family, "decay": decay, **changes})


# -- mistakes that any optimizer can have ------------------------------------------------------


def uphill(step: Step) -> Step:
    """Move in the direction of the gradient instead of against it."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        new, state = step(param, grad, state, lr, **options)
        return 2 * param - new, state

    return wrong


def changes_param(step: Step) -> Step:
    """Write the result into the array that was passed in."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        new, state = step(param, grad, state, lr, **options)
        if param.dtype.kind == "i":
            raise ValueError("integers")
        param[...] = new
        return param, state

    return wrong


def changes_grad(step: Step) -> Step:
    """Add the weight decay to the gradient in place."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        result = step(param, grad, state, lr, **options)
        grad += options.get("weight_decay", 0.0) * param
        return result

    return wrong


def changes_state(step: Step) -> Step:
    """Update the dict that was passed in."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        new, after = step(param, grad, state, lr, **options)
        state.update(after)
        return new, state

    return wrong


def forgets(step: Step) -> Step:
    """Start from an empty state in every step."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        return step(param, grad, {}, lr, **options)

    return wrong


def shares_state(step: Step) -> Step:
    """Keep one state for all parameters outside of the dict, and begin a new one on an empty dict."""
    kept: dict[str, Any] = {}

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        if not state:
            kept.clear()
        new, after = step(param, grad, dict(kept), lr, **options)
        kept.update(after)
        return new, {"begun": True}

    return wrong


def shares_count(step: Step) -> Step:
    """Count the steps of all parameters together, outside of the state, without ever beginning anew."""
    count = [0]

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        result = step(param, grad, {**state, "t": count[0]}, lr, **options)
        count[0] += 1
        return result

    return wrong


def doubles(step: Step) -> Step:
    """Return float64 whatever comes in (but refuse integers)."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        new, state = step(param, grad, state, lr, **options)
        return np.asarray(new, dtype=np.float64), state

    return wrong


def truncates(step: Step) -> Step:
    """Return integers where integers come in."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        new, state = step(param, grad, state, lr, **options)
        return new.astype(param.dtype), state

    return wrong


def ignores(step: Step, *arguments: str) -> Step:
    """Use the default of an argument whatever is passed."""

    def wrong(param: Array, grad: Array, state: dict[str, Any], lr: float, **options: Any) -> Any:
        used = {name: value for name, value in options.items() if name not in arguments}
        return step(param, grad, state, lr, **used)

    return wrong
