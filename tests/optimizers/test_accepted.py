"""Are correct implementations accepted in full, however they are written?"""

from __future__ import annotations

import copy
import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.engine.run import run_check
from tests.accepted import assert_full_marks


def refuse_integers(param):
    if param.dtype.kind != "f":
        raise ValueError(f"param must be of a float dtype, got {param.dtype}")


# -- functions that copy first and then work in place --------------------------------------------


def sgd_in_a_copy(param, grad, state, lr=1e-3, weight_decay=0.0):
    refuse_integers(param)
    param = param.copy()
    step = grad.copy()
    step += weight_decay * param
    step *= lr
    param -= step
    return param, {}


def momentum_in_copies(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    refuse_integers(param)
    grad = grad.copy()
    if weight_decay != 0:
        grad += weight_decay * param
    state = copy.deepcopy(state)
    if "momentum_buffer" not in state:
        state["momentum_buffer"] = grad.copy()
    else:
        state["momentum_buffer"] *= momentum
        state["momentum_buffer"] += (1 - dampening) * grad
    new = np.array(param)
    new -= lr * state["momentum_buffer"]
    return new, state


def nesterov_in_copies(param, grad, state, lr=1e-3, momentum=0.9, weight_decay=0.0):
    new, state = momentum_in_copies(param, grad, state, lr * momentum, momentum, 0.0, weight_decay)
    new -= lr * (grad + weight_decay * param)
    return new, state


def adagrad_in_copies(param, grad, state, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
    refuse_integers(param)
    state = {k: np.copy(v) for k, v in state.items()}
    steps = state.setdefault("step", np.zeros((), dtype=int))
    total = state.setdefault("sum", np.zeros_like(param))
    g = grad + weight_decay * param
    total += np.square(g)
    out = param.copy()
    np.subtract(out, float(lr / (1 + int(steps) * lr_decay)) * g / (total**0.5 + eps), out=out)
    steps += 1
    return out, state


def rmsprop_in_copies(
    param, grad, state, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
    centered=False,
):  # fmt: skip
    refuse_integers(param)
    square, mean, buf = (np.array(a) for a in state.get("all", np.zeros((3, *param.shape))))
    square, mean, buf = (a.astype(param.dtype) for a in (square, mean, buf))
    g = param * weight_decay
    g += grad
    square *= alpha
    square += (1 - alpha) * g * g
    mean *= alpha
    mean += (1 - alpha) * g
    variance = square - mean * mean if centered else square.copy()
    np.sqrt(variance, out=variance)
    variance += eps
    buf *= momentum
    buf += g / variance
    return param - lr * buf, {"all": np.stack([square, mean, buf])}


def adam_in_copies(
    param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False
):
    refuse_integers(param)
    t, m, v, most = state.get("adam", (0, None, None, None))
    m, v, most = (np.zeros_like(param) if a is None else a.copy() for a in (m, v, most))
    g = grad.copy()
    if weight_decay:
        g += weight_decay * param
    t += 1
    m += (1 - betas[0]) * (g - m)
    v += (1 - betas[1]) * (g * g - v)
    np.maximum(most, v, out=most)
    divisor = np.sqrt(most if amsgrad else v)
    divisor /= math.sqrt(1 - betas[1] ** t)
    divisor += eps
    return param - (lr / (1 - betas[0] ** t)) * m / divisor, {"adam": (t, m, v, most)}


def adamw_in_copies(param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    refuse_integers(param)
    kept = param.copy()
    kept *= 1 - lr * weight_decay
    return adam_in_copies(kept, grad, state, lr, betas, eps)


def adamax_in_copies(param, grad, state, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    refuse_integers(param)
    b1, b2 = betas
    g = grad + param * weight_decay
    m, u = (state[k].copy() if k in state else np.zeros_like(param) for k in ("m", "u"))
    power = state.get("b1**t", 1.0) * b1  # the power itself is kept, not t
    m *= b1
    m += g * (1 - b1)
    u *= b2
    larger = np.abs(g) + eps > u
    u[larger] = (np.abs(g) + eps)[larger]
    return param - m * (lr / (1 - power)) / u, {"m": m, "u": u, "b1**t": power}


def nadam_in_copies(
    param, grad, state, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
    momentum_decay=4e-3,
):  # fmt: skip
    refuse_integers(param)
    b1, b2 = betas
    mus = [
        *state.get("mus", []),
        b1 * (1 - 0.5 * 0.96 ** ((len(state.get("mus", [])) + 1) * momentum_decay)),
    ]
    t = len(mus)
    after = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    g = grad + weight_decay * param
    m = state["m"] * b1 if state else np.zeros_like(g)
    v = state["v"] * b2 if state else np.zeros_like(g)
    m += (1 - b1) * g
    v += (1 - b2) * g**2
    p = math.prod(mus)
    root = (v / (1 - b2**t)) ** 0.5 + eps
    new = param - lr * (1 - mus[-1]) / (1 - p) * g / root - lr * after / (1 - p * after) * m / root
    return new, {"mus": mus, "m": m, "v": v}


IN_COPIES = {
    "sgd": sgd_in_a_copy,
    "momentum": momentum_in_copies,
    "nesterov": nesterov_in_copies,
    "adagrad": adagrad_in_copies,
    "rmsprop": rmsprop_in_copies,
    "adam": adam_in_copies,
    "adamax": adamax_in_copies,
    "nadam": nadam_in_copies,
    "adamw": adamw_in_copies,
    "published_adam": adam_in_copies,
}


# -- element by element, with Python's own numbers -------------------------------------------------


def by_element(scalar_step):
    """Turn a step for one Python float into one for arrays; the state is a list of dicts."""

    def step(param, grad, state, *args, **options):
        numbers = param.astype(float).ravel().tolist()
        states = state.get("elements") or [{} for _ in numbers]
        pairs = [
            scalar_step(p, g, dict(s), *args, **options)
            for p, g, s in zip(numbers, grad.ravel().tolist(), states, strict=True)
        ]
        new = np.array([p for p, _s in pairs]).reshape(param.shape)
        return new.astype(np.result_type(param, grad)), {"elements": [s for _p, s in pairs]}

    return step


def loop_momentum(p, g, s, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    g += weight_decay * p
    s["buf"] = s["buf"] * momentum + g - dampening * g if "buf" in s else g
    return p - lr * s["buf"], s


def loop_nesterov(p, g, s, lr=1e-3, momentum=0.9, weight_decay=0.0):
    g += weight_decay * p
    s["buf"] = s.get("buf", 0) * momentum + g
    return p - lr * g - lr * momentum * s["buf"], s


def loop_adagrad(p, g, s, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
    g += weight_decay * p
    s["squares"] = [*s.get("squares", []), g * g]  # all of them, added up in the end
    rate = lr / (1 + (len(s["squares"]) - 1) * lr_decay)
    return p - rate * g / (math.sqrt(math.fsum(s["squares"])) + eps), s


def loop_rmsprop(
    p, g, s, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    g += weight_decay * p
    s["history"] = [*s.get("history", []), g]  # the averages are written out as sums
    weights = [(1 - alpha) * alpha**k for k in range(len(s["history"]))][::-1]
    square = sum(w * h * h for w, h in zip(weights, s["history"], strict=True))
    mean = sum(w * h for w, h in zip(weights, s["history"], strict=True))
    d = g / (math.sqrt(square - mean**2 if centered else square) + eps)
    s["buf"] = momentum * s.get("buf", 0) + d if momentum > 0 else d
    return p - lr * s["buf"], s


def loop_adam(p, g, s, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False):
    g += weight_decay * p
    s["t"] = s.get("t", 0) + 1
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    s["most"] = max(s["v"], s.get("most", 0))
    v = s["most"] if amsgrad else s["v"]
    root = math.sqrt(v / (1 - betas[1] ** s["t"]))
    return p - lr * (s["m"] / (1 - betas[0] ** s["t"])) / (root + eps), s


def loop_adamw(p, g, s, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    return loop_adam(p - lr * weight_decay * p, g, s, lr, betas, eps)


def loop_adamax(p, g, s, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g += weight_decay * p
    s["t"] = s.get("t", 0) + 1
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = max(betas[1] * s["u"], abs(g) + eps) if "u" in s else abs(g) + eps
    return p - lr / (1 - betas[0] ** s["t"]) * s["m"] / s["u"], s


def loop_nadam(
    p, g, s, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3
):
    mu = lambda t: betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))  # noqa: E731
    g += weight_decay * p
    s["t"] = s.get("t", 0) + 1
    product = math.prod(map(mu, range(1, s["t"] + 1)))  # from the beginning, in every step
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    after = mu(s["t"] + 1)
    ahead = (1 - mu(s["t"])) / (1 - product) * g + after / (1 - product * after) * s["m"]
    return p - lr * ahead / (math.sqrt(s["v"] / (1 - betas[1] ** s["t"])) + eps), s


BY_ELEMENT = {
    "sgd": by_element(lambda p, g, s, lr=1e-3, weight_decay=0.0: ((1 - lr * weight_decay) * p - lr * g, s)),
    "momentum": by_element(loop_momentum),
    "nesterov": by_element(loop_nesterov),
    "adagrad": by_element(loop_adagrad),
    "rmsprop": by_element(loop_rmsprop),
    "adam": by_element(loop_adam),
    "adamax": by_element(loop_adamax),
    "nadam": by_element(loop_nadam),
    "adamw": by_element(loop_adamw),
    "published_adam": by_element(loop_adam),
}  # fmt: skip


# -- one class for all, with the state in an object ------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """A state that a plain dict only wraps: it cannot leave the process in which it was made."""

    t: int = 0
    m: object = 0.0
    v: object = 0.0
    extra: object = 0.0


def with_object(rule):
    def step(param, grad, state, *args, **options):
        memory = state.get("memory", Memory())
        new, memory = rule(param, grad, memory, *args, **options)
        return new, {"memory": memory}

    return step


def object_momentum(p, g, s, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    g = g + weight_decay * p
    m = momentum * s.m + (g if s.t == 0 else (1 - dampening) * g)
    return p - lr * m, Memory(s.t + 1, m)


def object_nesterov(p, g, s, lr=1e-3, momentum=0.9, weight_decay=0.0):
    g = g + weight_decay * p
    m = g + momentum * s.m
    return p - lr * (g + momentum * m), Memory(s.t + 1, m)


def object_adagrad(p, g, s, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
    g = g + weight_decay * p
    v = s.v + np.power(g, 2)
    return p - lr / (1 + s.t * lr_decay) * np.divide(g, np.sqrt(v) + eps), Memory(s.t + 1, 0, v)


def object_rmsprop(
    p, g, s, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    g = g + weight_decay * p
    v = s.v + (1 - alpha) * (g**2 - s.v)
    mean = s.m + (1 - alpha) * (g - s.m)
    root = np.sqrt(v - centered * mean**2) + eps
    buf = momentum * s.extra + g / root
    return p - lr * buf, Memory(s.t + 1, mean, v, buf)


def object_adam(p, g, s, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False):
    g = g + weight_decay * p
    m = s.m * betas[0] + g * (1 - betas[0])
    v = s.v * betas[1] + g * g * (1 - betas[1])
    largest = np.maximum(s.extra, v)
    t = s.t + 1
    # the form of section 2 of the paper, with eps scaled so that it is exact
    rate = lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)
    root = np.sqrt(largest if amsgrad else v) + eps * math.sqrt(1 - betas[1] ** t)
    return p - rate * m / root, Memory(t, m, v, largest)


def object_adamw(p, g, s, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    moved, memory = object_adam(p, g, s, lr, betas, eps)
    return moved - lr * weight_decay * p, memory


def object_adamax(p, g, s, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    m = s.m * betas[0] + g * (1 - betas[0])
    u = np.where(s.v * betas[1] > np.abs(g) + eps, s.v * betas[1], np.abs(g) + eps)
    return p - lr * (m / (1 - betas[0] ** (s.t + 1))) / u, Memory(s.t + 1, m, u)


def object_nadam(
    p, g, s, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3
):
    g = g + weight_decay * p
    t = s.t + 1
    mu, after = (betas[0] * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
    product = (s.extra if s.t else 1.0) * mu
    m = s.m * betas[0] + g * (1 - betas[0])
    v = s.v * betas[1] + g * g * (1 - betas[1])
    m_hat = after * m / (1 - product * after) + (1 - mu) * g / (1 - product)
    return p - lr * m_hat / (np.sqrt(v / (1 - betas[1] ** t)) + eps), Memory(t, m, v, product)


OBJECTS = {
    name: with_object(rule)
    for name, rule in {
        "momentum": object_momentum,
        "nesterov": object_nesterov,
        "adagrad": object_adagrad,
        "rmsprop": object_rmsprop,
        "adam": object_adam,
        "adamax": object_adamax,
        "nadam": object_nadam,
        "adamw": object_adamw,
        "published_adam": object_adam,
    }.items()
}


# -- clipping and schedules ------------------------------------------------------------------------


def value_by_where(grads, limit):
    return [
        np.where(g > limit, limit, np.where(g < -limit, -limit, g)).astype(g.dtype) for g in grads
    ]


def value_in_copies(grads, limit):
    out = copy.deepcopy(grads)
    for g in out:
        g[g > limit] = limit
        g[g < -limit] = -limit
    return out


def value_by_sign(grads, limit):
    return list(map(lambda g: np.sign(g) * np.minimum(np.abs(g), limit), grads))  # noqa: C417


def norm_of_norms(grads, max_norm):
    norm = np.linalg.norm([np.linalg.norm(g) for g in grads])
    return [(g * min(1.0, max_norm / (norm + 1e-6))).astype(g.dtype) for g in grads]


def norm_of_one_vector(grads, max_norm):
    flat = np.concatenate([g.ravel() for g in grads])
    norm = math.sqrt(flat @ flat)
    if norm + 1e-6 < max_norm:
        return [g.copy() for g in grads]
    flat = flat * (max_norm / (norm + 1e-6))
    sizes = list(itertools.accumulate(g.size for g in grads))
    pieces = np.split(flat, sizes[:-1])
    return [piece.reshape(g.shape) for piece, g in zip(pieces, grads, strict=True)]


def norm_in_copies(grads, max_norm):
    squares = 0.0
    for g in grads:
        for x in g.ravel():
            squares += float(x) ** 2
    factor = max_norm / (math.sqrt(squares) + 1e-6)
    out = tuple(g.copy() for g in grads)
    for g in out:
        if factor < 1:
            g *= factor
    return out


def power_by_logarithm(step, lr0, s, c=1.0):
    return np.exp(np.log(lr0) - c * np.log1p(step / s))


def exponential_by_ten(step, lr0, s):
    return np.float64(lr0) / 10 ** (step / s)


def exponential_by_loop(step, lr0, s):
    for _ in range(step):
        lr0 *= math.exp(-math.log(10) / s)
    return lr0


def piecewise_by_search(step, boundaries, values):
    return np.asarray(values)[np.searchsorted(boundaries, step, side="right")]


def piecewise_backwards(step, boundaries, values):
    while boundaries and step < boundaries[-1]:
        boundaries.pop()  # its own list or a copy: checks pass copies
    return values[len(boundaries)]


def cycle_by_sine(step, total_steps, max_lr, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    if step not in range(total_steps):
        raise ValueError("no such step")
    low, top = max_lr / div_factor, pct_start * total_steps - 1
    if step < top:
        return low + (max_lr - low) * math.sin(math.pi / 2 * step / top) ** 2
    share = (step - top) / (total_steps - 1 - top)
    end = low / final_div_factor
    return np.float64(end + (max_lr - end) * math.cos(math.pi / 2 * share) ** 2)


def cycle_by_table(step, total_steps, max_lr, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    if step < 0:
        raise ValueError
    top = pct_start * total_steps - 1
    steps = np.arange(total_steps)
    up, down = steps / top, (steps - top) / (total_steps - 1 - top)
    q = np.where(steps <= top, 1 - up, down)
    low = np.where(steps <= top, max_lr / div_factor, max_lr / div_factor / final_div_factor)
    table = low + (max_lr - low) * (1 + np.cos(np.pi * q)) / 2
    try:
        return table[step]
    except IndexError as error:
        raise ValueError(f"step {step} of {total_steps}") from error


def plateau_with_history(lr, loss, state, factor=0.1, patience=10, threshold=1e-4):
    losses = [*state.get("losses", []), loss]
    best, bad = math.inf, 0
    for x in losses:
        best, bad = (x, 0) if x < best - threshold * best or best == math.inf else (best, bad + 1)
        if bad == patience + 1:
            bad = 0
            reduced = True
        else:
            reduced = False
    return (lr * factor if reduced else lr), {"losses": losses}


def plateau_counting_down(lr, loss, state, factor=0.1, patience=10, threshold=1e-4):
    state = dict(state) or {"goal": np.inf, "left": patience}
    if loss < state["goal"]:
        state.update(goal=loss * (1 - threshold), left=patience)
    elif state["left"]:
        state["left"] -= 1
    else:
        lr, state["left"] = np.float64(lr) * factor, patience
    return lr, state


OTHERS = [
    ("clip_by_value", value_by_where),
    ("clip_by_value", value_in_copies),
    ("clip_by_value", value_by_sign),
    ("clip_by_norm", norm_of_norms),
    ("clip_by_norm", norm_of_one_vector),
    ("clip_by_norm", norm_in_copies),
    ("power_decay", power_by_logarithm),
    ("exponential_decay", exponential_by_ten),
    ("exponential_decay", exponential_by_loop),
    ("piecewise_constant", piecewise_by_search),
    ("piecewise_constant", piecewise_backwards),
    ("one_cycle", cycle_by_sine),
    ("one_cycle", cycle_by_table),
    ("reduce_on_plateau", plateau_with_history),
    ("reduce_on_plateau", plateau_counting_down),
]


def test_there_is_something_for_every_function() -> None:
    named = {*IN_COPIES, *BY_ELEMENT, *OBJECTS, *(name for name, _f in OTHERS)}
    takes = {
        name for c in all_checks().values() if c.assignment == "optimizers" for name in c.takes
    }
    assert named == takes


@pytest.mark.parametrize(
    ("check", "step"),
    [
        pytest.param(name, step, id=f"{way}-{name}")
        for way, steps in (("copies", IN_COPIES), ("elements", BY_ELEMENT), ("objects", OBJECTS))
        for name, step in steps.items()
    ],
)
def test_steps(check, step) -> None:
    assert_full_marks(check, (step,))


@pytest.mark.parametrize(("check", "function"), OTHERS)
def test_clipping_and_schedules(check, function) -> None:
    assert_full_marks(check, (function,))


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("steps", [IN_COPIES, OBJECTS], ids=["copies", "objects"])
@pytest.mark.parametrize("name", ["momentum", "rmsprop", "adam"])
def test_training(steps, name) -> None:
    result = run_check(all_checks()[f"mnist_{name}"], (steps[name],))
    assert result.passed, result.text()


def test_a_function_with_fewer_arguments_loses_only_their_aspects() -> None:
    @functools.wraps(IN_COPIES["rmsprop"])
    def rmsprop(param, grad, state, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
        return rmsprop_in_copies(param, grad, state, lr, alpha, eps, weight_decay)

    result = run_check(all_checks()["rmsprop"], (rmsprop,))
    assert [a.name for a in result.aspects if not a.passed] == ["momentum", "centered"]
