"""Are correct implementations accepted in full, however they are written?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.engine.run import run_check
from tests.accepted import assert_full_marks


def require(p):
    if p < 0 or p > 1:
        raise ValueError(f"p = {p} is not a probability")


# -- masks -------------------------------------------------------------------------------------


def mask_by_where(shape, p, rng):
    require(p)
    return np.where(rng.random(shape) < p, 0.0, 0.0 if p == 1 else 1.0 / (1.0 - p))


def mask_by_indices(shape, p, rng):
    require(p)
    mask = np.zeros(shape)
    kept = np.nonzero(np.atleast_1d(rng.random(shape) >= p))
    if p < 1:
        np.atleast_1d(mask)[kept] = 1 / (1 - p)
    return mask


def mask_by_division(shape, p, rng):
    require(p)
    keep = np.asarray(rng.random(shape) >= p, dtype=float)
    return np.divide(keep, 1 - p, out=np.zeros_like(keep), where=keep > 0)


def mask_flat(shape, p, rng):
    require(p)
    size = int(np.prod(shape))
    keep = ~(rng.random(size) < p)
    return (
        keep.reshape(shape) * (1 / max(1 - p, np.finfo(float).tiny)) if p != 1 else np.zeros(shape)
    )


def mask_uniform_and_loop(shape, p, rng):
    require(p)
    numbers = np.asarray(rng.uniform(0, 1, shape))
    mask = np.empty(numbers.shape)
    for i in np.ndindex(numbers.shape):
        mask[i] = 0 if numbers[i] < p else 1 / (1 - p)
    return mask


def mask_float32(shape, p, rng):
    require(p)
    keep = np.asarray(rng.random(shape) >= p).astype("float32")
    return keep if p == 1 else keep / np.float32(1 - p)


def mask_sign(shape, p, rng):
    require(p)
    return np.ceil(np.maximum(np.sign(rng.random(shape) - p + 1e-300), 0)) / (1 - p if p < 1 else 1)


def mask_with_warnings(shape, p, rng):
    require(p)
    warnings.warn("drawing", stacklevel=1)  # must not count against anybody
    print("drawing")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num((rng.random(shape) >= p) / np.float64(1 - p))


# -- forward and backward ----------------------------------------------------------------------


def float_mask():
    def forward(x, p, training, rng):
        require(p)
        if not training or p == 0:
            return x, None
        mask = mask_by_where(x.shape, p, rng).astype(x.dtype)
        return x * mask, mask

    return forward, lambda dout, mask: dout if mask is None else dout * mask


def boolean_mask():
    def forward(x, p, training, rng):
        require(p)
        if not training:
            return x.copy(), {"keep": np.ones(x.shape, bool), "scale": 1.0}
        keep = rng.random(x.shape) >= p
        scale = 1 / (1 - p) if p < 1 else 1.0
        out = np.where(keep, x * x.dtype.type(scale), x.dtype.type(0))
        return out, {"keep": keep, "scale": scale}

    def backward(dout, cache):
        dx = dout.copy()
        dx[~cache["keep"]] = 0
        dx *= dx.dtype.type(cache["scale"])
        return dx

    return forward, backward


def indices():
    def forward(x, p, training, rng):
        require(p)
        if not training:
            return x, (None, 1)
        kept = np.flatnonzero(rng.random(x.shape).ravel() >= p) if x.ndim else None
        if kept is None:
            kept = np.flatnonzero(np.atleast_1d(rng.random(x.shape)) >= p)
        out = np.zeros(x.size, x.dtype)
        if p < 1:
            out[kept] = x.ravel()[kept] / (1 - p)
        return out.reshape(x.shape), (kept, p)

    def backward(dout, cache):
        kept, p = cache
        if kept is None:
            return +dout
        dx = np.zeros_like(dout).ravel()
        dx[kept] = dout.ravel()[kept] / (1 - p) if p < 1 else 0
        return dx.reshape(dout.shape)

    return forward, backward


def closure():
    def forward(x, p, training, rng):
        require(p)
        if training:
            mask = mask_by_division(x.shape, p, rng).astype(x.dtype)
            return x * mask, lambda dout: dout * mask
        return x, lambda dout: dout.copy()

    return forward, lambda dout, cache: cache(dout)


def object_cache():
    @dataclass
    class Cache:
        mask: object
        training: bool

    def forward(x, p, training, rng):
        require(p)
        cache = Cache(mask_flat(x.shape, p, rng) if training else None, training)
        return (x * cache.mask).astype(x.dtype) if training else x, cache

    def backward(dout, cache):
        return (dout * cache.mask).astype(dout.dtype) if cache.training else dout

    return forward, backward


def product_with_out():
    def forward(x, p, training, rng):
        require(p)
        mask = np.ones_like(x)
        if training:
            np.multiply(mask, mask_uniform_and_loop(x.shape, p, rng), out=mask, casting="unsafe")
        return np.multiply(x, mask), (mask, p, training, x)

    return forward, lambda dout, cache: np.multiply(cache[0], dout)


def nothing_to_do_at_the_edges():
    def forward(x, p, training, rng):
        require(p)
        if not training or p == 0:
            return x, 1
        if p == 1:
            return np.zeros_like(x), 0
        keep = rng.random(x.shape) >= p
        out = x.copy()
        out[np.logical_not(keep)] = 0
        out /= x.dtype.type(1 - p)
        return out, keep / (1 - p)

    return forward, lambda dout, cache: np.asarray(dout * cache, dtype=dout.dtype)


def set_aside_in_a_list():
    def forward(x, p, training, rng):
        require(p)
        stack = []
        if training:
            stack.append(mask_by_indices(x.shape, p, rng).astype(x.dtype))
            return np.einsum("...,...->...", x, stack[0]), stack
        return np.array(x), stack

    def backward(dout, stack):
        return np.prod([dout, *stack], axis=0) if stack else dout * 1

    return forward, backward


PAIRS = [
    float_mask, boolean_mask, indices, closure, object_cache, product_with_out,
    nothing_to_do_at_the_edges, set_aside_in_a_list,
]  # fmt: skip
MASKS = [
    mask_by_where, mask_by_indices, mask_by_division, mask_flat, mask_uniform_and_loop, mask_float32,
    mask_sign, mask_with_warnings,
]  # fmt: skip


# -- the original formulation, Monte Carlo -----------------------------------------------------


def classic_where(x, p, training, rng):
    require(p)
    if training:
        return np.where(rng.random(x.shape) >= p, x, 0).astype(x.dtype)
    return (x - p * x).astype(x.dtype)


def classic_in_a_copy(x, p, training, rng):
    require(p)
    out = np.array(x, copy=True)
    if training:
        keep = np.asarray(rng.random(x.shape) >= p)
        out *= keep
    else:
        out *= 1 - p
    return out


def mc_welford(predict, x, n_samples, rng):
    if n_samples <= 0:
        raise ValueError("no samples")
    mean, m2 = 0.0, 0.0
    for i in range(1, n_samples + 1):
        y = predict(x, True, rng)
        delta = y - mean
        mean = mean + delta / i
        m2 = m2 + delta * (y - mean)
    return mean, np.sqrt(m2 / n_samples)


def mc_by_keyword(predict, x, n_samples, rng):
    if n_samples < 1:
        raise ValueError
    y = np.array([predict(x, training=True, rng=rng) for _ in range(n_samples)])
    mean = np.mean(y, axis=0)
    return mean, np.sqrt(np.mean(np.square(y - mean), axis=0))


def mc_moments(predict, x, n_samples, rng):
    if not n_samples > 0:
        raise ValueError
    total = squares = 0
    for _ in range(n_samples):
        y = predict(x, True, rng)
        total, squares = total + y, squares + y**2
    mean = total / n_samples
    return mean, np.sqrt(np.maximum(squares / n_samples - mean**2, 0))


@pytest.mark.parametrize("mask", MASKS)
def test_masks(mask) -> None:
    assert_full_marks("dropout_mask", (mask,))


@pytest.mark.parametrize("make", PAIRS)
def test_pairs(make) -> None:
    forward, backward = make()
    assert_full_marks("dropout_forward", (forward,))
    assert_full_marks("dropout_backward", (forward, backward))
    assert_full_marks("frugal_dropout", (forward, backward))
    assert_full_marks("published_dropout_forward", (forward,))


@pytest.mark.parametrize("forward", [classic_where, classic_in_a_copy])
def test_classic(forward) -> None:
    assert_full_marks("classic_dropout_forward", (forward,))


@pytest.mark.parametrize("mc_dropout", [mc_welford, mc_by_keyword, mc_moments])
def test_mc(mc_dropout) -> None:
    assert_full_marks("mc_dropout", (mc_dropout,))


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("make", PAIRS)
def test_training(make) -> None:
    result = run_check(all_checks()["mnist_dropout"], make())
    assert result.passed, result.text()
    assert "digits" in result.text() or not result.remark
