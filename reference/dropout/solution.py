"""Reference solution of the assignment dropout. Generated from source/: do not edit."""

import numpy as np


def dropout_mask(shape, p, rng):
    """Draw a mask for inverted dropout.

    Parameters
    ----------
    shape : tuple of int
        Shape of the mask.
    p : float
        Probability of dropping a unit.
    rng : numpy.random.Generator
        Where the random numbers come from.

    Returns
    -------
    numpy.ndarray of that shape: 0 where a unit is dropped, 1 / (1 - p) where it is kept.

    Raises
    ------
    ValueError
        If p is outside [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if p == 1:
        return np.zeros(shape)
    return (rng.random(shape) >= p) / (1 - p)


def dropout_forward(x, p, training, rng):
    """Forward pass of inverted dropout.

    Parameters
    ----------
    x : numpy.ndarray
        Input, any shape, float32 or float64.
    p : float
        Probability of dropping a unit.
    training : bool
        True in training, False in evaluation.
    rng : numpy.random.Generator
        Used in training only.

    Returns
    -------
    out : numpy.ndarray of the shape and dtype of x
    cache : whatever dropout_backward needs

    Raises
    ------
    ValueError
        If p is outside [0, 1], in either mode.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training:
        return x, None
    mask = dropout_mask(x.shape, p, rng).astype(x.dtype)
    return x * mask, mask


def dropout_backward(dout, cache):
    """Backward pass of dropout.

    Parameters
    ----------
    dout : numpy.ndarray
        Gradient of the loss with respect to the output of the forward pass. Not modified.
    cache
        What that forward pass returned.

    Returns
    -------
    dx : numpy.ndarray of the shape and dtype of dout
    """
    return dout.copy() if cache is None else dout * cache


def classic_dropout_forward(x, p, training, rng):
    """Forward pass of dropout as in the paper of 2014: scaled in evaluation, not in training.

    Parameters
    ----------
    x : numpy.ndarray
        Input, any shape, float32 or float64. Not modified.
    p : float
        Probability of dropping a unit.
    training : bool
        True in training, False in evaluation.
    rng : numpy.random.Generator
        Used in training only; a unit is kept where rng.random(x.shape) >= p.

    Returns
    -------
    out : numpy.ndarray of the shape and dtype of x

    Raises
    ------
    ValueError
        If p is outside [0, 1], in either mode.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training:
        return x * x.dtype.type(1 - p)
    return x * (rng.random(x.shape) >= p)


def published_dropout_forward(x, p, training, rng):
    """The lecture's forward pass, repaired: the same contract as dropout_forward."""
    # The lecture used p as the probability of keeping, in the draw and in the scale.
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if not training:
        return x, None
    keep = rng.random(x.shape) >= p
    mask = (keep / (1 - p) if p < 1 else np.zeros(x.shape)).astype(x.dtype)
    return x * mask, mask


def frugal_dropout_forward(x, p, training, rng):
    """Forward pass of inverted dropout: the same contract as dropout_forward."""
    return dropout_forward(x, p, training, rng)


def frugal_dropout_backward(dout, cache):
    """Backward pass for the cache of frugal_dropout_forward: the same contract as dropout_backward."""
    # The output is zero where a unit was dropped and where x was zero. Only the mask tells which.
    return dropout_backward(dout, cache)


def mc_dropout(predict, x, n_samples, rng):
    """Predict with dropout left on, several times.

    Parameters
    ----------
    predict : function
        predict(x, training, rng) returns an array of probabilities of shape (N, K).
    x : numpy.ndarray
        Inputs of shape (N, D). Not modified.
    n_samples : int
        Number of predictions T.
    rng : numpy.random.Generator
        Passed on to every call of predict.

    Returns
    -------
    mean, std : numpy.ndarray of shape (N, K)
        Mean over the samples, and standard deviation (divided by T).

    Raises
    ------
    ValueError
        If n_samples is less than 1.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}")
    samples = np.stack([predict(x, True, rng) for _ in range(n_samples)])
    return samples.mean(axis=0), samples.std(axis=0)
