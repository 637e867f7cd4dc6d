"""Functions that do nothing of what was asked, for every check: what must earn (nearly) nothing.

Each has the right arguments and, but for those of :data:`RAW`, returns something of the right kind. Pairs are
combined in every way, with a right forward pass too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.conftest import load_solution

Array = np.ndarray
Functions = tuple[Callable[..., Any], ...]


def refuse(*arguments: Any, **named: Any) -> Any:
    raise ValueError("no")


def fail(*arguments: Any, **named: Any) -> Any:
    raise TypeError("no")


VALUES: dict[str, Callable[[Array], Any]] = {
    "identity": lambda x: x,
    "copy": lambda x: np.array(x),
    "zeros": lambda x: np.zeros_like(x),
    "ones": lambda x: np.ones_like(x),
    "minus one": lambda x: np.zeros_like(x) - 1,
    "half": lambda x: np.zeros_like(x) + 0.5,
    "42": lambda x: np.zeros_like(x) + 42,
    "tiny": lambda x: np.zeros_like(x) + 1e-30,
    "NaN": lambda x: x * np.nan,
    "infinity": lambda x: np.zeros_like(x) + np.inf,
    "minus infinity": lambda x: np.zeros_like(x) - np.inf,
    "input + 1": lambda x: x + 1,
    "input - 1": lambda x: x - 1,
    "negative": lambda x: -x,
    "doubled": lambda x: x * 2,
    "halved": lambda x: x / 2,
    "absolute": lambda x: np.abs(x),
    "sign": lambda x: np.sign(x),
    "mean": lambda x: np.zeros_like(x) + (x.mean() if x.size else 0),
    "first": lambda x: np.zeros_like(x) + (x.flat[0] if x.size else 0),
    "reversed": lambda x: x[::-1] if x.ndim else x,
    "noise": lambda x: np.random.default_rng(0).standard_normal(np.shape(x)),
}
"""What becomes of an array."""

RAW: dict[str, Callable[..., Any]] = {
    "None": lambda *a, **k: None,
    "always ValueError": refuse,
    "always TypeError": fail,
    "first argument": lambda *a, **k: a[0] if a else None,
    "all arguments": lambda *a, **k: a,
    "a number": lambda *a, **k: 0.0,
    "a bool": lambda *a, **k: True,
    "a word": lambda *a, **k: "done",
    "nothing in a tuple": lambda *a, **k: (),
    "a list": lambda *a, **k: [],
    "a dict": lambda *a, **k: {},
    "a pair of nothing": lambda *a, **k: (None, None),
}


def number(v: Callable[[Array], Any], x: Any) -> float:
    return float(v(np.array(float(x))))


def optimizer(v: Callable[[Array], Any], **how: Any) -> Callable[..., Any]:
    def step(param, grad, state, lr=0.1, **options):
        return v(param), state if how.get("keeps") else {**state, "t": state.get("t", 0) + 1}

    return step


def one_of(check: str, v: Callable[[Array], Any]) -> Iterator[tuple[str, Functions]]:
    """Yield the functions of a check that takes one function, made of what becomes of an array."""

    def folded(W, b, gamma, beta, running, eps=1e-5):
        return v(W), v(b)

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        return v(x), None, running

    def shifted(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        return gamma * v(x) + beta, None, running

    def all_of_it(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        return v(x), None, {k: v(a) for k, a in running.items()}

    def by_itself(label: str, function: Callable[..., Any]) -> tuple[str, Functions]:
        return label, (function,)

    if check == "dropout_mask":
        yield by_itself("", lambda shape, p, rng: v(np.ones(shape)))
        yield by_itself("p", lambda shape, p, rng: v(np.full(shape, float(p))))
    elif check in ("dropout_forward", "published_dropout_forward"):
        yield by_itself("", lambda x, p, training, rng: (v(x), None))
        yield by_itself("p", lambda x, p, training, rng: (v(np.full(np.shape(x), float(p))), None))
    elif check == "classic_dropout_forward":
        yield by_itself("", lambda x, p, training, rng: v(x))
        yield by_itself("p", lambda x, p, training, rng: v(np.full(np.shape(x), float(p))))
    elif check == "mc_dropout":
        yield by_itself("", lambda predict, x, n, rng: (v(x), v(x)))
        yield by_itself("once", lambda predict, x, n, rng: (v(predict(x, False, rng)),) * 2)
        yield by_itself("only x", lambda predict, x, n, rng: (v(x), np.zeros_like(x)))
    elif check == "update_running_stats":
        yield by_itself("", lambda running, x, m=0.1: {k: v(a) for k, a in running.items()})
        yield by_itself("of x", lambda running, x, m=0.1: {"mean": v(x[0]), "var": v(x[0])})
    elif check in ("batchnorm_forward", "published_batchnorm_forward"):
        yield by_itself("", forward)
        yield by_itself("with gamma and beta", shifted)
        yield by_itself("and of running", all_of_it)
    elif check == "count_parameters":
        yield by_itself("sum", lambda features: (number(v, sum(features)),) * 2)
        yield by_itself("length", lambda features: (number(v, len(features)),) * 2)
    elif check == "fold_batchnorm":
        yield by_itself("", folded)
    elif check in OPTIMIZERS:
        yield by_itself("", optimizer(v))
        yield by_itself("state as it is", optimizer(v, keeps=True))
        yield by_itself("of grad", lambda param, grad, state, lr=0.1, **o: (v(grad), state))
    elif check in ("clip_by_value", "clip_by_norm"):
        yield by_itself("", lambda grads, limit: [v(g) for g in grads])
        yield by_itself(
            "limit", lambda grads, limit: [v(np.full_like(g, float(limit))) for g in grads]
        )
    elif check in ("power_decay", "exponential_decay"):
        yield by_itself("step", lambda step, lr0, s, c=1.0: number(v, step))
        yield by_itself("lr0", lambda step, lr0, s, c=1.0: number(v, lr0))
        yield by_itself("s", lambda step, lr0, s, c=1.0: number(v, s))
    elif check == "piecewise_constant":
        yield by_itself("step", lambda step, boundaries, values: number(v, step))
        yield by_itself("first", lambda step, boundaries, values: number(v, values[0]))
        yield by_itself("last", lambda step, boundaries, values: number(v, values[-1]))
    elif check == "one_cycle":
        yield by_itself("step", lambda step, total_steps, max_lr, **o: number(v, step))
        yield by_itself("max_lr", lambda step, total_steps, max_lr, **o: number(v, max_lr))
        yield by_itself(
            "start",
            lambda step, total_steps, max_lr, **o: number(v, max_lr / o.get("div_factor", 25)),
        )
    elif check == "reduce_on_plateau":
        yield by_itself("", lambda lr, loss, state, **o: (number(v, lr), state))
        yield by_itself("loss", lambda lr, loss, state, **o: (number(v, loss), {"n": 1}))


OPTIMIZERS = {
    *("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam", "adamw"),
    "published_adam",
}


def dropout_pairs() -> Iterator[tuple[str, Functions]]:
    right = load_solution("dropout")

    def cached(v: Callable[[Array], Any], modes: bool) -> Callable[..., Any]:
        def forward(x, p, training, rng):
            return v(x) if training or not modes else x, (p, training)

        return forward

    def first_only(x: Array) -> Array:
        out = np.zeros_like(x)
        out.flat[:1] = 1
        return out

    forwards: dict[str, Callable[..., Any]] = {
        **{name: cached(v, False) for name, v in {**VALUES, "only the first": first_only}.items()},
        **{f"{name} in training": cached(v, True) for name, v in VALUES.items()},
        "the right": right.dropout_forward,
        **RAW,
    }

    def scaled(dout, cache):
        p, training = cache
        return dout / (1 - p) if training and p < 1 else dout

    def by_mode(v: Callable[[Array], Any]) -> Callable[..., Any]:
        """Return a backward that returns dout in evaluation, when the cache tells the mode."""

        def backward(dout, cache):
            return v(dout) if cache[1] else dout

        return backward

    def by_p(dout, cache):
        p, training = cache
        return np.zeros_like(dout) if training and p > 0 else dout

    backwards: dict[str, Callable[..., Any]] = {
        **{name: (lambda dout, cache, v=v: v(dout)) for name, v in VALUES.items()},
        **{f"{name} in training": by_mode(v) for name, v in VALUES.items()},
        "zeros but at p = 0": by_p,
        "scaled": scaled,
        **RAW,
    }
    for f, forward in forwards.items():
        for b, backward in backwards.items():
            yield f"forward: {f}; backward: {b}", (forward, backward)


def batchnorm_pairs() -> Iterator[tuple[str, Functions]]:
    right = load_solution("batchnorm")

    def passing(v: Callable[[Array], Any]) -> Callable[..., Any]:
        def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
            return v(x), (gamma, training), running

        return forward

    def backward_of(v: Callable[[Array], Any]) -> Callable[..., Any]:
        def backward(dout, cache):
            return v(dout), v(dout[0]), v(dout[0])

        return backward

    forwards = {
        **{name: passing(v) for name, v in VALUES.items()},
        "the right": right.batchnorm_forward,
        **RAW,
    }
    backwards = {**{name: backward_of(v) for name, v in VALUES.items()}, **RAW}
    for f, forward in forwards.items():
        for b, backward in backwards.items():
            yield f"forward: {f}; backward: {b}", (forward, backward)


def functions_of(check: str) -> Iterator[tuple[str, Functions]]:
    """Yield every degenerate solution of a check, with a name."""
    if check in ("dropout_backward", "frugal_dropout"):
        yield from dropout_pairs()
        return
    if check == "batchnorm_backward":
        yield from batchnorm_pairs()
        return
    for name, v in VALUES.items():
        for label, functions in one_of(check, v):
            yield f"{name} {label}".strip(), functions
    for name, function in RAW.items():
        yield name, (function,)
