
import numpy as np

def update_running_stats(running, x, momentum):
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x must have shape (N, D) with N > 1, got {x.shape}")
    batch = {"mean": x.mean(axis=0), "var": x.var(axis=0, ddof=1)}
    if any(running[k].shape != batch[k].shape for k in batch):
        raise ValueError("running statistics must have shape (D,)")
    return {k: (1 - momentum) * running[k] + momentum * batch[k] for k in batch}

def batchnorm_forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
    arrays = (gamma, beta, running["mean"], running["var"])
    if x.ndim != 2 or any(a.shape != x.shape[1:] for a in arrays):
        raise ValueError("x must have shape (N, D), the others (D,)")
    if training:
        running_after = update_running_stats(running, x, momentum)
        mean, var = x.mean(axis=0), x.var(axis=0)
    else:
        running_after = running
        mean, var = running["mean"], running["var"]
    inverse = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * inverse
    return gamma * x_hat + beta, (x_hat, inverse, gamma, training), running_after

def batchnorm_backward(dout, cache):
    x_hat, inverse, gamma, training = cache
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    dx = dout
    if training:
        dx = dout - dbeta / len(dout) - x_hat * dgamma / len(dout)
    return gamma * inverse * dx, dgamma, dbeta

def count_parameters(features):
    if any(n < 1 for n in features):
        raise ValueError("a layer has at least one feature")
    return 2 * sum(features), 2 * sum(features)

def fold_batchnorm(W, b, gamma, beta, running, eps=1e-5):
    arrays = (b, gamma, beta, running["mean"], running["var"])
    if W.ndim != 2 or any(a.shape != W.shape[1:] for a in arrays):
        raise ValueError("W must have shape (in, out), the others (out,)")
    scale = gamma / np.sqrt(running["var"] + eps)
    return W * scale, (b - running["mean"]) * scale + beta

published_batchnorm_forward = batchnorm_forward
