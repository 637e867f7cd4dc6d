"""Reference solution of the assignment optimizers. Generated from source/: do not edit."""

import numpy as np


def sgd(param, grad, state, lr=1e-3, weight_decay=0.0):
    """Take a step of stochastic gradient descent.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: {}
    """
    return param - lr * (grad + weight_decay * param), {}


def momentum(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    """Take a step of SGD with momentum, as torch.optim.SGD does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    momentum : float
        Factor of the buffer of past gradients.
    dampening : float
        From the second step on the gradient enters the buffer times 1 - dampening.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    grad = grad + weight_decay * param
    buf = momentum * state["buf"] + (1 - dampening) * grad if state else grad
    return param - lr * buf, {"buf": buf}


def nesterov(param, grad, state, lr=1e-3, momentum=0.9, weight_decay=0.0):
    """Take a step of SGD with Nesterov's momentum, as torch.optim.SGD(nesterov=True) does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    momentum : float
        Factor of the buffer of past gradients.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    grad = grad + weight_decay * param
    buf = momentum * state.get("buf", 0.0) + grad
    return param - lr * (grad + momentum * buf), {"buf": buf}


def adagrad(param, grad, state, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
    """Take a step of AdaGrad, as torch.optim.Adagrad does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    lr_decay : float
        Step t = 1, 2, ... uses the learning rate lr / (1 + (t - 1) * lr_decay).
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.
    eps : float
        Added to the root, outside of it.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    grad = grad + weight_decay * param
    t = state.get("t", 0) + 1
    squares = state.get("squares", 0.0) + grad**2
    step = lr / (1 + (t - 1) * lr_decay) * grad / (np.sqrt(squares) + eps)
    return param - step, {"t": t, "squares": squares}


def rmsprop(
    param,
    grad,
    state,
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    centered=False,
):
    """Take a step of RMSProp, as torch.optim.RMSprop does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    alpha : float
        Decay of the moving averages, which start at zero.
    eps : float
        Added to the root, outside of it.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.
    momentum : float
        Factor of a buffer of past quotients grad / (root + eps), which starts at zero.
    centered : bool
        Subtract the square of the average gradient from the average square.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    grad = grad + weight_decay * param
    square = alpha * state.get("square", 0.0) + (1 - alpha) * grad**2
    mean = alpha * state.get("mean", 0.0) + (1 - alpha) * grad
    root = np.sqrt(square - mean**2 if centered else square)
    buf = momentum * state.get("buf", 0.0) + grad / (root + eps)
    return param - lr * buf, {"square": square, "mean": mean, "buf": buf}


def adam(
    param,
    grad,
    state,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
):
    """Take a step of Adam, as torch.optim.Adam does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    betas : tuple of two floats
        Decay of the average of gradients, and of squared gradients.
    eps : float
        Added to the root, outside of it.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.
    amsgrad : bool
        Use the largest uncorrected average of squares so far instead of the current one.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    beta1, beta2 = betas
    grad = grad + weight_decay * param
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * grad**2
    largest = np.maximum(state.get("largest", 0.0), v)
    m_hat = m / (1 - beta1**t)
    v_hat = (largest if amsgrad else v) / (1 - beta2**t)
    step = lr * m_hat / (np.sqrt(v_hat) + eps)
    return param - step, {"t": t, "m": m, "v": v, "largest": largest}


def published_adam(param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """The lecture's Adam, repaired: the same contract as adam, without amsgrad."""
    # The first average decays with beta1, so it is beta1 that its correction must contain.
    beta1, beta2 = betas
    grad = grad + weight_decay * param
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    s = beta2 * state.get("s", 0.0) + (1 - beta2) * grad**2
    m_hat = m / (1 - beta1**t)
    s_hat = s / (1 - beta2**t)
    return param - lr * m_hat / (np.sqrt(s_hat) + eps), {"t": t, "m": m, "s": s}


def adamw(param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    """Take a step of AdamW, as torch.optim.AdamW does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    betas : tuple of two floats
        Decay of the average of gradients, and of squared gradients.
    eps : float
        Added to the root, outside of it.
    weight_decay : float
        The parameter is multiplied by 1 - lr * weight_decay before the step of Adam.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    return adam(param * (1 - lr * weight_decay), grad, state, lr, betas, eps)


def adamax(param, grad, state, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    """Take a step of AdaMax, as torch.optim.Adamax does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    betas : tuple of two floats
        Decay of the average of gradients, and of the largest gradient.
    eps : float
        Added to the absolute value of the gradient.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    beta1, beta2 = betas
    grad = grad + weight_decay * param
    t = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    u = np.maximum(beta2 * state.get("u", 0.0), np.abs(grad) + eps)
    return param - lr / (1 - beta1**t) * m / u, {"t": t, "m": m, "u": u}


def nadam(
    param,
    grad,
    state,
    lr=2e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    momentum_decay=4e-3,
):
    """Take a step of NAdam, as torch.optim.NAdam does.

    Parameters
    ----------
    param, grad : numpy.ndarray
        A parameter and the gradient of the loss: float arrays of one shape (any) and dtype. Not modified.
        Integers are promoted to float or refused with a ValueError, never truncated.
    state : dict
        {} in the first step of a parameter, then what its previous step returned. Not modified,
        nor are the arrays in it.
    lr : float
        Learning rate of this step.
    betas : tuple of two floats
        Decay of the average of gradients, and of squared gradients.
    eps : float
        Added to the root, outside of it.
    weight_decay : float
        Factor of the L2 term weight_decay * param, which is added to grad first.
    momentum_decay : float
        How fast the momentum rises towards betas[0].

    Returns
    -------
    param : numpy.ndarray, new, of the shape and dtype of param (float32 stays float32)
    state : dict, new: whatever the next step needs
    """
    beta1, beta2 = betas
    grad = grad + weight_decay * param
    t = state.get("t", 0) + 1
    mu, next_mu = (beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    product = state.get("product", 1.0) * mu
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * grad
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * grad**2
    ahead = (1 - mu) / (1 - product) * grad + next_mu / (1 - product * next_mu) * m
    step = lr * ahead / (np.sqrt(v / (1 - beta2**t)) + eps)
    return param - step, {"t": t, "product": product, "m": m, "v": v}


def clip_by_value(grads, limit):
    """Limit every entry of every gradient.

    Parameters
    ----------
    grads : list of numpy.ndarray
        Float arrays of any shapes. Neither the list nor the arrays are modified.
    limit : float
        Largest absolute value allowed.

    Returns
    -------
    list of new numpy.ndarray, of the same shapes and dtypes, with entries from -limit to limit
    """
    return [np.clip(grad, -limit, limit) for grad in grads]


def clip_by_norm(grads, max_norm):
    """Limit the norm of all gradients together, as torch.nn.utils.clip_grad_norm_ does.

    Parameters
    ----------
    grads : list of numpy.ndarray
        Float arrays of any shapes. Neither the list nor the arrays are modified.
    max_norm : float
        Largest norm allowed.

    Returns
    -------
    list of new numpy.ndarray, of the same shapes and dtypes: all gradients times the same
    min(1, max_norm / (norm + 1e-6)), where norm is the root of the sum of all squares
    """
    norm = sum(float((grad**2).sum()) for grad in grads) ** 0.5
    factor = min(1.0, max_norm / (norm + 1e-6))
    return [grad * factor for grad in grads]


def exponential_decay(step, lr0, s):
    """Return a learning rate that falls by a factor of 10 every s steps, smoothly.

    Parameters
    ----------
    step : int
        Number of steps already taken: 0 at the first one.
    lr0 : float
        Learning rate at step 0.
    s : float
        Steps per factor of 10.

    Returns
    -------
    float
    """
    return lr0 * 0.1 ** (step / s)


def power_decay(step, lr0, s, c=1.0):
    """Return the learning rate lr0 / (1 + step / s)**c.

    Parameters
    ----------
    step : int
        Number of steps already taken: 0 at the first one.
    lr0 : float
        Learning rate at step 0.
    s : float
        Number of steps after which, with c = 1, half of it is left.
    c : float
        Exponent.

    Returns
    -------
    float
    """
    return lr0 / (1 + step / s) ** c


def piecewise_constant(step, boundaries, values):
    """Return the learning rate of the piece in which a step lies.

    Parameters
    ----------
    step : int
        Number of steps already taken: 0 at the first one.
    boundaries : list of int
        Where a new piece begins, ascending; the boundary belongs to the new piece.
    values : list of float
        Learning rates of the pieces, one more than boundaries.

    Returns
    -------
    float
    """
    return values[sum(step >= boundary for boundary in boundaries)]


def one_cycle(step, total_steps, max_lr, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """Return a learning rate of the one-cycle plan, as torch's OneCycleLR with cosines.

    Parameters
    ----------
    step : int
        Number of steps already taken: from 0 to total_steps - 1.
    total_steps : int
        Length of the training.
    max_lr : float
        Largest learning rate, at step pct_start * total_steps - 1.
    pct_start : float
        Fraction of the steps in which the learning rate rises; pct_start * total_steps exceeds 1.
    div_factor : float
        The learning rate at step 0 is max_lr / div_factor.
    final_div_factor : float
        That of the last step is max_lr / div_factor / final_div_factor.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If step is negative, or total_steps or more.
    """
    if not 0 <= step < total_steps:
        raise ValueError(f"step must be in 0 ... {total_steps - 1}, got {step}")
    start = max_lr / div_factor
    peak = pct_start * total_steps - 1
    if step <= peak:
        a, b, q = start, max_lr, step / peak
    else:
        a, b, q = max_lr, start / final_div_factor, (step - peak) / (total_steps - 1 - peak)
    return float(b + (a - b) * (1 + np.cos(np.pi * q)) / 2)


def reduce_on_plateau(lr, loss, state, factor=0.1, patience=10, threshold=1e-4):
    """Reduce the learning rate when the loss stops falling, as torch's ReduceLROnPlateau does.

    Parameters
    ----------
    lr : float
        Learning rate so far.
    loss : float
        Validation loss of the epoch that has just ended.
    state : dict
        {} after the first epoch, then what the previous call returned. Not modified.
    factor : float
        What the learning rate is multiplied by.
    patience : int
        Number of bad epochs in a row that are forgiven.
    threshold : float
        An epoch is good if loss < best * (1 - threshold), with best infinite at first.

    Returns
    -------
    lr : float
    state : dict, new: whatever the next call needs
    """
    best, bad = state.get("best", np.inf), state.get("bad", 0) + 1
    if loss < best * (1 - threshold):
        best, bad = loss, 0
    if bad > patience:
        lr, bad = lr * factor, 0
    return lr, {"best": best, "bad": bad}
