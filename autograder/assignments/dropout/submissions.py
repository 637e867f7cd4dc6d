"""What might a small class hand in? Wrong solutions for the demo, per student: cell id → source."""

from __future__ import annotations

UNSCALED = """
def dropout_mask(shape, p, rng):
    if p < 0 or p > 1:
        raise ValueError("p must be a probability")
    return (rng.random(shape) >= p).astype(float)
"""
SWAPPED = """
def dropout_mask(shape, p, rng):
    if p < 0 or p > 1:
        raise ValueError("p must be a probability")
    mask = rng.uniform(size=shape) < p
    return mask / p if p > 0 else mask * 0.0
"""
FROM_OUTPUT = """
def dropout_forward(x, p, training, rng):
    if not 0 <= p <= 1:
        raise ValueError("p must be a probability")
    if not training:
        return x, (x, 0.0, False)
    out = x * dropout_mask(x.shape, p, rng).astype(x.dtype)
    return out, (out, p, True)
"""
FROM_OUTPUT_BACKWARD = """
def dropout_backward(dout, cache):
    out, p, training = cache
    if not training:
        return dout.copy()
    dx = np.zeros_like(dout)
    kept = out != 0
    dx[kept] = dout[kept] / (1 - p)
    return dx
"""
CHATTY = """
import warnings

def dropout_mask(shape, p, rng):
    if not 0 <= p <= 1:
        raise ValueError("p must be a probability")
    warnings.warn("drawing a mask")
    print("mask of shape", shape)
    mask = np.zeros(shape)
    if p < 1:
        mask[rng.random(shape) >= p] = 1 / (1 - p)
    return mask
"""
ALWAYS_ON = """
def dropout_forward(x, p, training, rng):
    if not 0 <= p <= 1:
        raise ValueError("p must be a probability")
    mask = dropout_mask(x.shape, p, rng)
    x *= mask
    return x, mask
"""
ENDLESS = """
def mc_dropout(predict, x, n_samples, rng):
    samples = []
    while len(samples) != -1:
        samples.append(predict(x, True, rng).mean())
    return np.mean(samples), np.std(samples)
"""

SUBMISSIONS: dict[str, dict[str, str]] = {
    "boris-unscaled": {"dropout_mask": UNSCALED},
    "chen-keep-and-drop": {"dropout_mask": SWAPPED},
    "dora-mask-from-output": {
        "dropout_forward": FROM_OUTPUT,
        "dropout_backward": FROM_OUTPUT_BACKWARD,
    },
    "emil-always-on": {"dropout_forward": ALWAYS_ON},
    "gita-warns-and-prints": {"dropout_mask": CHATTY},
    "hugo-endless-loop": {"mc_dropout": ENDLESS},
}
