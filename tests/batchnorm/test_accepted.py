"""Are correct implementations accepted in full, however they are written?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.engine.run import run_check
from tests.accepted import assert_full_marks


def require(x, *others, rows=1):
    if x.ndim != 2 or x.shape[0] < rows:
        raise ValueError(f"x of shape {x.shape}")
    for a in others:
        if a.shape != (x.shape[1],):
            raise ValueError(f"an array of shape {a.shape} where {x.shape[1:]} is due")


# -- updates of the running statistics ---------------------------------------------------------


def update_by_difference(running, x, momentum):
    require(x, running["mean"], running["var"], rows=2)
    mean, var = running["mean"].copy(), running["var"].copy()
    mean += momentum * (x.mean(0) - mean)
    var += momentum * (x.var(0, ddof=1) - var)
    return {"mean": mean, "var": var}


def update_with_loops(running, x, momentum):
    require(x, running["mean"], running["var"], rows=2)
    new = {"var": [], "mean": []}
    for k in range(x.shape[1]):
        column = [float(v) for v in x[:, k]]
        mean = sum(column) / len(column)
        var = sum((v - mean) ** 2 for v in column) / (len(column) - 1)
        new["mean"].append(running["mean"][k] * (1 - momentum) + momentum * mean)
        new["var"].append(running["var"][k] * (1 - momentum) + momentum * var)
    return {name: np.array(values) for name, values in new.items()}


def update_by_covariance(running, x, momentum):
    require(x, running["mean"], running["var"], rows=2)
    var = np.diag(np.atleast_2d(np.cov(x, rowvar=False)))
    out = dict(running)
    out["mean"] = np.average([running["mean"], x.mean(0)], axis=0, weights=[1 - momentum, momentum])
    out["var"] = momentum * var + running["var"] - momentum * running["var"]
    return out


def update_by_welford(running, x, momentum):
    require(x, running["mean"], running["var"], rows=2)
    mean, m2 = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for i, row in enumerate(x, 1):
        delta = row - mean
        mean += delta / i
        m2 += delta * (row - mean)
    keep = 1.0 - momentum
    return {
        "mean": keep * running["mean"] + (1 - keep) * mean,
        "var": keep * running["var"] + (1 - keep) * m2 / (len(x) - 1),
        "batches": 1,
    }


def update_by_correction(running, x, momentum):
    require(x, running["mean"], running["var"], rows=2)
    warnings.warn("updating", stacklevel=1)  # must not count against anybody
    n = x.shape[0]
    var = (np.square(x).sum(axis=0) / n - np.square(x.sum(axis=0) / n)) * n / (n - 1)
    blend = np.array([1 - momentum, momentum])
    return {
        "mean": np.tensordot(blend, np.stack([running["mean"], x.mean(axis=0)]), 1),
        "var": np.tensordot(blend, np.stack([running["var"], var]), 1),
    }


UPDATES = [
    update_by_difference, update_with_loops, update_by_covariance, update_by_welford,
    update_by_correction,
]  # fmt: skip


# -- pairs of forward and backward -------------------------------------------------------------


def step_by_step():
    """The computational graph, node by node, as CS231n teaches it."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        n = len(x)
        mu = 1 / n * np.sum(x, axis=0) if training else running["mean"]
        centred = x - mu
        var = 1 / n * np.sum(centred**2, axis=0) if training else running["var"]
        std = np.sqrt(var + eps)
        inverse = 1.0 / std
        x_hat = centred * inverse
        out = x_hat * gamma + beta
        if training:
            running = update_by_difference(running, x, momentum)
        return out, (training, centred, std, inverse, x_hat, gamma), running

    def backward(dout, cache):
        training, centred, std, inverse, x_hat, gamma = cache
        n = dout.shape[0]
        dbeta = np.sum(dout, axis=0)
        dgamma = np.sum(dout * x_hat, axis=0)
        dx_hat = dout * gamma
        dcentred = dx_hat * inverse
        if not training:
            return dcentred, dgamma, dbeta
        dinverse = np.sum(dx_hat * centred, axis=0)
        dstd = -dinverse / std**2
        dvar = dstd / (2 * std)
        dcentred = dcentred + 2 * centred / n * dvar
        dmu = -np.sum(dcentred, axis=0)
        return dcentred + dmu / n, dgamma, dbeta

    return forward, backward


def paper_formulas():
    """The gradients as Ioffe and Szegedy print them, from x kept in a dict."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, *(running[k] for k in ("mean", "var")), rows=1 + training)
        mean, var = (np.mean(x, 0), np.var(x, 0)) if training else (running["mean"], running["var"])
        cache = {
            "x": x.copy(),
            "mean": mean,
            "var": var,
            "eps": eps,
            "gamma": gamma,
            "mode": "train" if training else "test",
        }
        after = update_with_loops(running, x, momentum) if training else dict(running)
        after = {k: v.astype(x.dtype) for k, v in after.items()}
        return gamma * (x - mean) / np.sqrt(var + eps) + beta, cache, after

    def backward(dout, c):
        m, power = len(dout), (c["var"] + c["eps"]) ** -0.5
        dx_hat = dout * c["gamma"]
        x_hat = (c["x"] - c["mean"]) * power
        dx = dx_hat * power
        if c["mode"] == "train":
            dvar = (dx_hat * (c["x"] - c["mean"])).sum(0) * -0.5 * power**3
            dmean = (-dx_hat * power).sum(0) + dvar * (-2 * (c["x"] - c["mean"])).mean(0)
            dx = dx + dvar * 2 * (c["x"] - c["mean"]) / m + dmean / m
        return dx, (dout * x_hat).sum(0), dout.sum(0)

    return forward, backward


def compact():
    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 0)
        s = running if not training else {"mean": x.mean(0), "var": x.var(0)}
        r = (s["var"] + eps) ** -0.5
        h = r * (x - s["mean"])
        new = update_by_welford(running, x, momentum) if training else running
        return h * gamma + beta, [h, r * gamma, len(x) if training else 0], new

    def backward(dout, cache):
        h, scale, n = cache
        dgamma, dbeta = np.einsum("nd,nd->d", dout, h), np.einsum("nd->d", dout)
        if n:
            return scale / n * (n * dout - dbeta - h * dgamma), dgamma, dbeta
        return scale * dout, dgamma, dbeta

    return forward, backward


def with_the_jacobian():
    """The N × N Jacobian of each column, multiplied out."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        out, n = np.empty_like(x), len(x)
        jacobians, normal = [], np.empty_like(x)
        for k in range(x.shape[1]):
            mean = x[:, k].mean() if training else running["mean"][k]
            var = x[:, k].var() if training else running["var"][k]
            h = (x[:, k] - mean) / np.sqrt(var + eps)
            inner = np.eye(n, dtype=x.dtype)
            if training:
                inner = inner - 1 / n - np.outer(h, h) / n
            jacobians.append(gamma[k] / np.sqrt(var + eps) * inner)
            normal[:, k] = h
            out[:, k] = gamma[k] * h + beta[k]
        after = update_by_covariance(running, x, momentum) if training else running
        return out, (np.array(jacobians), normal), after

    def backward(dout, cache):
        jacobians, normal = cache
        columns = [j.T @ dout[:, k] for k, j in enumerate(jacobians)]
        dx = np.stack(columns, axis=1).astype(dout.dtype)
        return dx, np.diag(dout.T @ normal).copy(), dout.T @ np.ones(len(dout), dout.dtype)

    return forward, backward


def closure():
    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        mean = np.mean(x, axis=0, keepdims=True) if training else running["mean"][None]
        var = np.var(x, axis=0, keepdims=True) if training else running["var"][None]
        std = np.sqrt(var + eps)
        x_hat = (x - mean) / std

        def gradient(dout):
            d = dout
            if training:
                d = d - d.mean(axis=0) - x_hat * (d * x_hat).mean(axis=0)
            return gamma * d / std, (dout * x_hat).sum(axis=0), dout.sum(axis=0)

        after = update_by_difference(running, x, momentum) if training else {**running}
        return beta + x_hat * gamma, gradient, after

    return forward, lambda dout, cache: cache(dout)


def object_cache():
    @dataclass
    class Cache:
        x_hat: object
        std: object
        gamma: object
        training: bool

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        if training:
            after = update_by_correction(running, x, momentum)
            mean, var = x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)
        else:
            after, mean, var = running, running["mean"], running["var"]
        cache = Cache((x - mean) / (var + eps) ** 0.5, (var + eps) ** 0.5, gamma, bool(training))
        return gamma * cache.x_hat + beta, cache, after

    def backward(dout, c):
        dx_hat = dout * c.gamma
        if c.training:
            dx_hat = dx_hat - dx_hat.mean(0) - c.x_hat * (dx_hat * c.x_hat).mean(0)
        return dx_hat / c.std, (dout * c.x_hat).sum(0), dout.sum(0)

    return forward, backward


def in_double_precision():
    """Everything in float64, converted at the end."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        z = x.astype(np.float64)
        mean, var = (z.mean(0), z.var(0)) if training else (running["mean"], running["var"])
        h = (z - mean) / np.sqrt(np.float64(eps) + var)
        after = update_by_difference(running, z, momentum) if training else running
        return (gamma * h + beta).astype(x.dtype), (h, gamma / np.sqrt(var + eps), training), after

    def backward(dout, cache):
        h, scale, training = cache
        g = dout.astype(np.float64)
        dx = g - g.mean(0) - h * (g * h).mean(0) if training else g
        return (dx * scale).astype(dout.dtype), (g * h).sum(0), g.sum(0)

    return forward, backward


def transposed():
    """Features in rows."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        t = np.ascontiguousarray(x.T)
        mean = t.mean(1, keepdims=True) if training else running["mean"].reshape(-1, 1)
        var = t.var(1, keepdims=True) if training else running["var"].reshape(-1, 1)
        h = (t - mean) / np.sqrt(var + eps)
        after = update_with_loops(running, x, momentum) if training else running
        return (h * gamma[:, None] + beta[:, None]).T, (h, var + eps, gamma, training), after

    def backward(dout, cache):
        h, var, gamma, training = cache
        g = dout.T
        d = g - training * (g.mean(1, keepdims=True) + h * (g * h).mean(1, keepdims=True))
        return (d * gamma[:, None] / np.sqrt(var)).T, (g * h).sum(1), g.sum(1)

    return forward, backward


def folded_affine():
    """The forward pass as one multiplication and one addition per element, on a copy, in place."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        mean, var = (x.mean(0), x.var(0)) if training else (running["mean"], running["var"])
        scale = gamma / np.sqrt(var + eps)
        out = x.copy()
        out *= scale
        out += beta - mean * scale
        after = {k: np.array(v) for k, v in running.items()}
        if training:
            unbiased = var * len(x) / (len(x) - 1)
            after["mean"] = after["mean"] * (1 - momentum) + mean * momentum
            after["var"] = after["var"] * (1 - momentum) + unbiased * momentum
        return out, (x, mean, var, eps, gamma, training), after

    def backward(dout, cache):
        x, mean, var, eps, gamma, training = cache
        centred = x - mean
        dgamma = (dout * centred).sum(0) / np.sqrt(var + eps)
        dx = dout.copy()
        if training:
            dx -= dout.mean(0)
            dx -= centred * (dout * centred).mean(0) / (var + eps)
        dx *= gamma / np.sqrt(var + eps)
        return dx, dgamma, dout.sum(0)

    return forward, backward


def two_functions():
    """Mode decided once; one function per mode, the cache tells by its length."""

    def train(x, gamma, beta, running, momentum, eps):
        require(x, gamma, beta, running["mean"], running["var"], rows=2)
        centred = x - x.mean(0)
        h = centred / np.sqrt((centred**2).mean(0) + eps)
        r = 1 / np.sqrt((centred * centred).sum(0) / len(x) + eps)
        return gamma * h + beta, (h, r, gamma), update_by_difference(running, x, momentum)

    def evaluate(x, gamma, beta, running, eps):
        require(x, gamma, beta, running["mean"], running["var"])
        r = np.reciprocal(np.sqrt(running["var"] + eps))
        h = (x - running["mean"]) * r
        return np.add(np.multiply(gamma, h), beta), (h, gamma * r), running

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        if training:
            return train(x, gamma, beta, running, momentum, eps)
        return evaluate(x, gamma, beta, running, eps)

    def backward(dout, cache):
        h = cache[0]
        dgamma, dbeta = np.sum(dout * h, axis=0), np.add.reduce(dout)
        if len(cache) == 2:
            return dout * cache[1], dgamma, dbeta
        _h, r, gamma = cache
        dh = dout * gamma
        dx = r * dh - r * (h * np.mean(dh * h, axis=0) + np.mean(dh, axis=0))
        return dx, dgamma, dbeta

    return forward, backward


PAIRS = [
    step_by_step, paper_formulas, compact, with_the_jacobian, closure, object_cache,
    in_double_precision, transposed, folded_affine, two_functions,
]  # fmt: skip


# -- counting and folding ----------------------------------------------------------------------


def count_with_numpy(features):
    sizes = np.array(features, dtype=int)
    if (sizes < 1).any():
        raise ValueError("features")
    return 2 * sizes.sum(), np.sum(sizes * 2)


def count_with_a_loop(features):
    trained = kept = 0
    for n in features:
        if n <= 0:
            raise ValueError(n)
        gamma, beta, mean, var = (np.zeros(n) for _ in range(4))
        trained += gamma.size + beta.size
        kept += mean.size + var.size
    return trained, kept


def require_fold(w, *others):
    if w.ndim != 2 or any(np.shape(a) != (w.shape[1],) for a in others):
        raise ValueError("shapes")


def fold_with_a_diagonal(w, b, gamma, beta, running, eps=1e-5):
    require_fold(w, b, gamma, beta, running["mean"], running["var"])
    scale = np.diag(gamma * (running["var"] + eps) ** -0.5)
    return w @ scale, (b - running["mean"]) @ scale + beta


def fold_by_units(w, b, gamma, beta, running, eps=1e-5):
    require_fold(w, b, gamma, beta, running["mean"], running["var"])
    new_w, new_b = np.zeros(w.shape), np.zeros(b.shape)
    for j in range(w.shape[1]):
        std = np.sqrt(running["var"][j] + eps)
        new_w[:, j] = gamma[j] * w[:, j] / std
        new_b[j] = gamma[j] * b[j] / std + beta[j] - gamma[j] * running["mean"][j] / std
    return new_w, new_b


def fold_by_probing(w, b, gamma, beta, running, eps=1e-5):
    """A linear layer is known from what it does to zero and to the unit vectors."""
    require_fold(w, b, gamma, beta, running["mean"], running["var"])

    def both(x):
        return (x @ w + b - running["mean"]) / np.sqrt(running["var"] + eps) * gamma + beta

    at_zero = both(np.zeros((1, len(w))))
    return both(np.eye(len(w))) - at_zero, at_zero[0]


@pytest.mark.parametrize("update", UPDATES)
def test_updates(update) -> None:
    assert_full_marks("update_running_stats", (update,))


@pytest.mark.parametrize("make", PAIRS)
def test_pairs(make) -> None:
    forward, backward = make()
    assert_full_marks("batchnorm_forward", (forward,))
    assert_full_marks("published_batchnorm_forward", (forward,))
    assert_full_marks("batchnorm_backward", (forward, backward))


@pytest.mark.parametrize("count", [count_with_numpy, count_with_a_loop])
def test_counts(count) -> None:
    assert_full_marks("count_parameters", (count,))


@pytest.mark.parametrize("fold", [fold_with_a_diagonal, fold_by_units, fold_by_probing])
def test_folds(fold) -> None:
    assert_full_marks("fold_batchnorm", (fold,))


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("make", PAIRS)
def test_training(make) -> None:
    result = run_check(all_checks()["mnist_batchnorm"], make())
    assert result.passed, result.text()
