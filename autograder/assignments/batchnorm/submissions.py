"""What might a small class hand in? Wrong solutions for the demo, per student: cell id → source."""

from __future__ import annotations

KERAS = """
def update_running_stats(running, x, momentum):
    if x.ndim != 2 or len(x) < 2:
        raise ValueError("a batch of one")
    if running["mean"].shape != x.shape[1:] or running["var"].shape != x.shape[1:]:
        raise ValueError("shapes")
    return {
        "mean": momentum * running["mean"] + (1 - momentum) * x.mean(axis=0),
        "var": momentum * running["var"] + (1 - momentum) * x.var(axis=0),
    }
"""
ALWAYS_BATCH = """
def batchnorm_forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
    for a in (gamma, beta, running["mean"], running["var"]):
        if x.ndim != 2 or a.shape != x.shape[1:]:
            raise ValueError("shapes")
    mean, var = x.mean(axis=0), x.var(axis=0)
    if training:
        running = update_running_stats(running, x, momentum)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x_hat, np.sqrt(var + eps), gamma), running
"""
ALWAYS_BATCH_BACKWARD = """
def batchnorm_backward(dout, cache):
    x_hat, std, gamma = cache
    dgamma = (dout * x_hat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    return gamma / std * (dout - dbeta / len(dout) - x_hat * dgamma / len(dout)), dgamma, dbeta
"""
CONSTANT_STATISTICS = """
def batchnorm_backward(dout, cache):
    x_hat, inverse, gamma, training = cache
    return dout * gamma * inverse, (dout * x_hat).sum(axis=0), dout.sum(axis=0)
"""
FOUR_EACH = """
def count_parameters(features):
    if min(features, default=1) < 1:
        raise ValueError("features")
    return 4 * sum(features), 0
"""
TORCH_LAYOUT = """
def fold_batchnorm(W, b, gamma, beta, running, eps=1e-5):
    scale = gamma / np.sqrt(running["var"] + eps)
    return W * scale[:, None], (b - running["mean"]) * scale + beta
"""
HALF_REPAIRED = """
def published_batchnorm_forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
    if x.ndim != 2 or (training and len(x) < 2):
        raise ValueError("x")
    if any(a.shape != x.shape[1:] for a in (gamma, beta, running["mean"], running["var"])):
        raise ValueError("shapes")
    mean, var = running["mean"], running["var"]
    if training:
        mean, var = x.mean(axis=0), x.var(axis=0)
        running = {
            "mean": (1 - momentum) * running["mean"] + momentum * mean,
            "var": (1 - momentum) * running["var"] + momentum * var,
        }
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, None, running
"""

SUBMISSIONS: dict[str, dict[str, str]] = {
    "boris-keras": {"update_running_stats": KERAS},
    "chen-forgets-evaluation": {
        "batchnorm_forward": ALWAYS_BATCH,
        "batchnorm_backward": ALWAYS_BATCH_BACKWARD,
    },
    "dora-constant-statistics": {"batchnorm_backward": CONSTANT_STATISTICS},
    "emil-counts-and-folds": {"count_parameters": FOUR_EACH, "fold_batchnorm": TORCH_LAYOUT},
    "gita-half-repaired": {"published_batchnorm_forward": HALF_REPAIRED},
}
