"""Reference solution of the assignment batchnorm. Generated from source/: do not edit."""

import numpy as np


def update_running_stats(running, x, momentum):
    """Update running statistics with a training batch, as PyTorch does.

    Parameters
    ----------
    running : dict
        "mean" and "var", the running mean and variance, both of shape (D,). Not modified.
    x : numpy.ndarray
        The batch, shape (N, D). Not modified.
    momentum : float
        Weight of the new batch: (1 - momentum) * old + momentum * new.

    Returns
    -------
    running : dict
        A new dict with "mean" and "var" of shape (D,). The variance of the batch enters
        unbiased, divided by N - 1.

    Raises
    ------
    ValueError
        If x is not two-dimensional, if a running statistic does not have shape (D,), or if N < 2.
    """
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x must have shape (N, D) with N > 1, got {x.shape}")
    batch = {"mean": x.mean(axis=0), "var": x.var(axis=0, ddof=1)}
    if any(running[name].shape != batch[name].shape for name in batch):
        raise ValueError(f"running statistics must have shape {x.shape[1:]}")
    return {name: (1 - momentum) * running[name] + momentum * batch[name] for name in batch}


def batchnorm_forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
    """Forward pass of batch normalization over the rows of x, as PyTorch's batch_norm.

    Parameters
    ----------
    x : numpy.ndarray
        Input, shape (N, D), float32 or float64. Not modified.
    gamma, beta : numpy.ndarray
        Scale and shift, shape (D,). Not modified.
    running : dict
        Running statistics "mean" and "var", shape (D,). Not modified.
    training : bool
        True: normalize with mean and biased variance of the batch.
        False: normalize with the running statistics.
    momentum : float
        Weight of the new batch in the running statistics.
    eps : float
        Added to the variance under the root.

    Returns
    -------
    out : numpy.ndarray of the shape and dtype of x
    cache : whatever batchnorm_backward needs
    running : dict
        Updated in training (see update_running_stats), the same values in evaluation.

    Raises
    ------
    ValueError
        If x is not two-dimensional, if gamma, beta or a running statistic does not have shape
        (D,), or if N < 2 in training.
    """
    if x.ndim != 2 or any(
        a.shape != x.shape[1:] for a in (gamma, beta, running["mean"], running["var"])
    ):
        raise ValueError("x must have shape (N, D); gamma, beta and running statistics (D,)")
    mean, var = running["mean"], running["var"]
    if training:
        running = update_running_stats(running, x, momentum)
        mean, var = x.mean(axis=0), x.var(axis=0)
    inverse = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * inverse
    return gamma * x_hat + beta, (x_hat, inverse, gamma, training), running


def batchnorm_backward(dout, cache):
    """Backward pass of batch normalization.

    Parameters
    ----------
    dout : numpy.ndarray
        Gradient of the loss with respect to the output of the forward pass, shape (N, D).
        Not modified.
    cache
        What that forward pass returned.

    Returns
    -------
    dx : numpy.ndarray of the shape and dtype of dout
    dgamma, dbeta : numpy.ndarray of shape (D,)
    """
    x_hat, inverse, gamma, training = cache
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    inside = dout - (dbeta + x_hat * dgamma) / len(dout) if training else dout
    return gamma * inverse * inside, dgamma, dbeta


def count_parameters(features):
    """Count the parameters of a stack of batch normalization layers.

    Parameters
    ----------
    features : list of int
        Number of features D of each layer; may be empty.

    Returns
    -------
    trainable : int
        How many numbers gradient descent changes, over all layers.
    non_trainable : int
        How many numbers are kept as running statistics, over all layers.

    Raises
    ------
    ValueError
        If a number of features is below 1.
    """
    if any(n < 1 for n in features):
        raise ValueError(f"a layer has at least one feature, got {features}")
    return 2 * sum(features), 2 * sum(features)


def fold_batchnorm(W, b, gamma, beta, running, eps=1e-5):
    """Fold batch normalization in evaluation mode into the linear layer before it.

    Parameters
    ----------
    W : numpy.ndarray
        Weights of the linear layer x @ W + b, shape (in, out). Not modified.
    b : numpy.ndarray
        Biases, shape (out,). Not modified.
    gamma, beta : numpy.ndarray
        Scale and shift of the batch normalization behind it, shape (out,). Not modified.
    running : dict
        Its running statistics "mean" and "var", shape (out,). Not modified.
    eps : float
        Added to the variance under the root.

    Returns
    -------
    W, b : numpy.ndarray of shapes (in, out) and (out,)
        Of the linear layer that computes what both computed together.

    Raises
    ------
    ValueError
        If W is not two-dimensional, or if another array does not have shape (out,).
    """
    if W.ndim != 2 or any(
        a.shape != W.shape[1:] for a in (b, gamma, beta, running["mean"], running["var"])
    ):
        raise ValueError("W must have shape (in, out), everything else (out,)")
    scale = gamma / np.sqrt(running["var"] + eps)
    return W * scale, (b - running["mean"]) * scale + beta


def published_batchnorm_forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
    """The lecture's forward pass, repaired: the same contract as batchnorm_forward."""
    # 1. The fraction. 2. The unbiased variance is what is kept. 3. Errors.
    arrays = (gamma, beta, running["mean"], running["var"])
    if x.ndim != 2 or any(a.shape != x.shape[1:] for a in arrays):
        raise ValueError("x must have shape (N, D); gamma, beta and running statistics (D,)")
    mean, var = running["mean"], running["var"]
    if training:
        if len(x) < 2:
            raise ValueError("a batch of one has no variance")
        mean, var = x.mean(axis=0), x.var(axis=0)
        running = {
            "mean": (1 - momentum) * running["mean"] + momentum * mean,
            "var": (1 - momentum) * running["var"] + momentum * x.var(axis=0, ddof=1),
        }
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, mean, var, gamma, training), running
