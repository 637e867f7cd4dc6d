"""What do people get wrong about batch normalization?

Each entry is a wrong implementation that was seen in student code, in public courses or in lecture
texts, with the sentence that a student who wrote it should read. It serves twice: a failing check
names the entry that behaves like the student's function, and the tests require that every entry is
rejected and named.

A mistake in the running statistics shows in every function that updates them, so such entries are
written once, as an update, and wrapped into forward passes. The entries of counting and folding
are in :mod:`.inference_misconceptions`.

Not in this catalogue, because no function of the assignment can show it: ``momentum=None``, PyTorch's
cumulative average (B27: it needs a count of the batches); gamma or beta with the wrong start (B28: both are
given); averaging a convolutional layer over N only (part of B16: here the input is (N, D)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.engine.declare import Misconception
from autograder.engine.messages import N_

Array = NDArray[Any]
Running = dict[str, Array]
Update = Callable[[Running, Array, float], Running]
Forward = Callable[..., Any]
Backward = Callable[[Array, Any], Any]
Moments = Callable[[Array], tuple[Array, Array]]
Standardize = Callable[[Array, Array, Array, float], Array]


def require_shapes(x: Array, *others: Array) -> None:
    """Raise ValueError unless ``x`` is (N, D) and all others are (D,)."""
    if x.ndim != 2 or any(a.shape != x.shape[1:] for a in others):
        raise ValueError("x must have shape (N, D), all others (D,)")


def require_several(x: Array) -> None:
    """Raise ValueError when ``x`` has fewer than two rows."""
    if len(x) < 2:
        raise ValueError("a batch of one has no spread")


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased variance of the columns."""
    return x.mean(axis=0), x.var(axis=0)


def blend(old: Array, new: Array, momentum: float) -> Array:
    """Return the moving average in PyTorch's form."""
    return np.asarray((1 - momentum) * old + momentum * new)


# -- updates of the running statistics ---------------------------------------------------------


def _update(
    batch: Moments = lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1)),
    average: Callable[[Array, Array, float], Array] = blend,
    old: Callable[[Running], Running] = dict,
    shapes: bool = True,
    several: bool = True,
) -> Update:
    """Return an update that is sound except for what is replaced."""

    def update(running: Running, x: Array, momentum: float) -> Running:
        if shapes:
            require_shapes(x, running["mean"], running["var"])
        if several:
            require_several(x)
        with np.errstate(all="ignore"):
            mean, var = batch(x)
        before = old(running)
        return {
            "mean": average(before["mean"], mean, momentum),
            "var": average(before["var"], var, momentum),
        }

    return update


sound_update = _update()


def _restarted(running: Running) -> Running:
    return {"mean": np.zeros_like(running["mean"]), "var": np.ones_like(running["var"])}


def _first_replaces(running: Running, x: Array, momentum: float) -> Running:
    is_first = not running["mean"].any() and (running["var"] == 1).all()
    return sound_update(running, x, 1.0 if is_first else momentum)


def _update_in_place(running: Running, x: Array, momentum: float) -> Running:
    running.update(sound_update(running, x, momentum))
    return running


def _only(name: str) -> Update:
    return lambda running, x, m: {**running, name: sound_update(running, x, m)[name]}


_UPDATE_ENTRIES: list[tuple[str, str, Update]] = [
    ("B2-biased-running-variance", N_("your running variance receives the biased batch variance (divided by N), as in CS231n and Keras. PyTorch feeds it the unbiased one: divide by N - 1 (ddof=1) there, and only there."), _update(moments)),
    ("B2-corrected-the-wrong-way", N_("your batch variance is multiplied by (N - 1) / N where N / (N - 1) is due: the unbiased variance is the larger one."), _update(lambda x: (x.mean(0), x.var(0) * (len(x) - 1) / len(x)))),
    ("B3-momentum-swapped", N_("momentum weighs the old statistics, which is the convention of Keras and CS231n. In PyTorch's, used here, it weighs the new batch: (1 - momentum) * old + momentum * new."), _update(average=lambda old, new, m: m * old + (1 - m) * new)),
    ("B3-swapped-and-biased", N_("this is Keras's (and CS231n's) form: momentum weighs the old statistics, and the variance is the biased one. Here, as in PyTorch, momentum weighs the new batch, whose variance is unbiased."), _update(moments, lambda old, new, m: m * old + (1 - m) * new)),
    ("B11-never-updated", N_("the running statistics come back as they were. Return a new dict with the updated mean and var (assigning to a local name changes nothing)."), _update(average=lambda old, new, m: old.copy())),
    ("B11-reset-every-call", N_("every call starts again from mean 0 and variance 1, so earlier batches are forgotten. Start from the running statistics you are given."), _update(old=_restarted)),
    ("B12-parenthesis", N_("1 - momentum stands without parentheses, so 1 is added and the rest subtracted. Write (1 - momentum) * old + momentum * new."), _update(average=lambda old, new, m: 1 - m * old + m * new)),
    ("B12-parenthesis", N_("the parentheses of (1 - momentum) enclose too much: 1 - momentum * new is not (1 - momentum) * new. Write (1 - momentum) * old + momentum * new."), _update(average=lambda old, new, m: m * old + (1 - m * new))),
    ("B12-added", N_("the old statistics are kept in full and momentum * new is added, so they grow without limit. The two weights must sum to 1: (1 - momentum) * old + momentum * new."), _update(average=lambda old, new, m: old + m * new)),
    ("B13-old-forgotten", N_("the old statistics are missing: the result is momentum * new, as if they had been zero. Add (1 - momentum) * old."), _update(average=lambda old, new, m: m * new)),
    ("B13-first-batch-replaces", N_("the first batch replaces mean 0 and variance 1 completely. Here they are statistics like any other: the first batch counts with weight momentum too."), _first_replaces),
    ("B13-batch-only", N_("the statistics of the batch replace the old ones; momentum has no influence. Average: (1 - momentum) * old + momentum * new."), _update(average=lambda old, new, m: +new)),
    ("B13-plain-average", N_("old and new count half each; momentum has no influence. Average with its weights: (1 - momentum) * old + momentum * new."), _update(average=lambda old, new, m: (old + new) / 2)),
    ("B14-standard-deviation", N_("the running variance receives standard deviations. Average variances, and take the root only when you normalize: the two are not exchangeable."), _update(lambda x: (x.mean(0), x.std(0, ddof=1)))),
    ("B14-mean-of-squares", N_("the running variance receives the mean of the squares. Subtract the batch mean first: the variance is the mean squared distance from it."), _update(lambda x: (x.mean(0), (x**2).mean(0)))),
    ("B16-statistics-over-everything", N_("mean and variance run over all elements of the batch. Every feature has its own: reduce axis 0 only."), _update(lambda x: (np.full(x.shape[1], x.mean()), np.full(x.shape[1], x.var(ddof=1))))),
    ("B11-only-the-mean", N_("only the running mean is updated. The running variance needs the same average, with the unbiased batch variance."), _only("mean")),
    ("B11-only-the-variance", N_("only the running variance is updated. The running mean needs the same average, with the batch mean."), _only("var")),
    ("P1-running-modified", N_("the dict running that you were given is modified. Return a new dict with new arrays: the caller may still need the old one."), _update_in_place),
]  # fmt: skip
_ONLY_IN_UPDATE: list[tuple[str, str, Update]] = [
    ("B29-keeps-the-axis", N_("mean and var come back with shape (1, D), because keepdims is set. They must keep the shape (D,)."), _update(lambda x: (x.mean(0, keepdims=True), x.var(0, ddof=1, keepdims=True)))),
    ("B16-statistics-per-row", N_("mean and variance are those of the rows. Each feature needs its own over the batch: reduce axis 0."), _update(lambda x: (x.mean(1), x.var(1, ddof=1)))),
    ("B26-batch-of-one", N_("a batch of one is accepted. Its unbiased variance is 0/0 (NaN with ddof=1), and it would spoil the running statistics for good: raise ValueError."), _update(several=False)),
    ("P2-shapes-not-checked", N_("arrays of the wrong shape are accepted, because NumPy broadcasts them. Raise a ValueError unless x is (N, D) and the statistics are (D,)."), _update(shapes=False)),
]  # fmt: skip


# -- forward passes ----------------------------------------------------------------------------


def standardize(x: Array, mean: Array, var: Array, eps: float) -> Array:
    """Return x minus the mean over the root of variance plus eps."""
    return np.asarray((x - mean) / np.sqrt(var + eps))


def scale_and_shift(x_hat: Array, gamma: Array, beta: Array, training: bool) -> Array:
    """Return gamma times the normalized input plus beta."""
    return np.asarray(gamma * x_hat + beta)


def _forward(
    of_batch: Moments = moments,
    normal: Standardize = standardize,
    evaluate: Standardize | None = None,
    affine: Callable[[Array, Array, Array, bool], Array] = scale_and_shift,
    update: Update = sound_update,
    batch_in_evaluation: bool = False,
    running_in_training: bool = False,
    update_in_evaluation: bool = False,
    shapes: bool = True,
    several: Callable[[Array, bool], bool] = lambda x, training: training,
    learn: Callable[[Array, Array, float], Array] = lambda x, out, eps: x,
) -> Forward:
    """Return a forward pass that is sound except for what is replaced, with a cache for any backward.

    The cache holds what :func:`_gradients` needs, computed with the forward pass's own mean and variance.
    """

    def forward(
        x: Array,
        gamma: Array,
        beta: Array,
        running: Running,
        training: bool,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Any:
        if shapes:
            require_shapes(x, gamma, beta, running["mean"], running["var"])
        if several(x, training):
            require_several(x)
        from_batch = (training and not running_in_training) or (
            not training and batch_in_evaluation
        )
        mean, var = of_batch(x) if from_batch else (running["mean"], running["var"])
        with np.errstate(all="ignore"):
            rule = normal if training or evaluate is None else evaluate
            x_hat = rule(x, mean, var, eps)
            out = affine(x_hat, gamma, beta, training)
            inverse = 1 / np.sqrt(var + eps)
        if (training or update_in_evaluation) and len(x) > 1:
            running = update(running, learn(x, out, eps), momentum)
        cache = {
            "x": x,
            "centred": x - mean,
            "var": var,
            "eps": eps,
            "x_hat": x_hat,
            "inverse": inverse,
            "gamma": gamma,
            "training": training,
        }
        return out, cache, running

    return forward


sound_forward = _forward()


def _lecture(x: Array, mean: Array, var: Array, eps: float) -> Array:
    return np.asarray(x - mean * np.sqrt(var) + eps)


def _in_place(x: Array, *rest: Any) -> Any:
    out, cache, running = sound_forward(x.copy(), *rest)
    x[...] = cache["x_hat"]
    return out, cache, running


def _float64(x: Array, *rest: Any) -> Any:
    out, cache, running = sound_forward(x, *rest)
    return out.astype(np.float64), cache, running


def _var_plus_eps(
    x: Array,
    gamma: Array,
    beta: Array,
    running: Running,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    out, cache, new = sound_forward(x, gamma, beta, running, training, momentum, eps)
    if training:
        new = {**new, "var": new["var"] + momentum * eps}
    return out, cache, new


def _learns_first(
    x: Array,
    gamma: Array,
    beta: Array,
    running: Running,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalize a training batch with the running statistics after its own update."""
    if not training:
        return sound_forward(x, gamma, beta, running, training, momentum, eps)
    require_shapes(x, gamma, beta, running["mean"], running["var"])
    require_several(x)
    new = sound_update(running, x, momentum)
    out, cache, _same = sound_forward(x, gamma, beta, new, False, momentum, eps)
    return out, {**cache, "training": True}, new


_rows = lambda x: (x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True))  # noqa: E731
_no_keepdims = lambda x: (x.mean(axis=1), x.var(axis=1))  # noqa: E731
_everything = lambda x: (x.mean(), x.var())  # noqa: E731
_unbiased = lambda x: (x.mean(axis=0), x.var(axis=0, ddof=1))  # noqa: E731

_FORWARD_ENTRIES: list[tuple[str, str, Forward]] = [
    ("B1-unbiased-normalization", N_("training normalizes with the unbiased variance (ddof=1), as in Karpathy's lectures. PyTorch normalizes with the biased one, divided by N; only the running variance is unbiased."), _forward(_unbiased)),
    ("B1-variances-exchanged", N_("the two variances are exchanged: training normalizes with the unbiased one and the running variance gets the biased one. PyTorch does it the other way round."), _forward(_unbiased, update=_update(moments))),
    ("B4-eps-outside-the-root", N_("eps is added to the standard deviation. It belongs to the variance, under the root: sqrt(var + eps)."), _forward(normal=lambda x, m, v, e: (x - m) / (np.sqrt(v) + e))),
    ("B5-no-root", N_("x - mean is divided by the variance. Divide by its root: sqrt(var + eps)."), _forward(normal=lambda x, m, v, e: (x - m) / (v + e))),
    ("B6-multiplied", N_("x - mean is multiplied by sqrt(var + eps) instead of divided by it: the spread grows where it should become 1."), _forward(normal=lambda x, m, v, e: (x - m) * np.sqrt(v + e))),
    ("B6-multiplied-in-evaluation", N_("evaluation multiplies x - mean by sqrt(var + eps) where training divides. Both modes use the same formula; only mean and variance come from elsewhere."), _forward(evaluate=lambda x, m, v, e: (x - m) * np.sqrt(v + e))),
    ("B6-fraction-lost", N_("this is x - mean * sqrt(var) + eps, the formula as the lecture printed it: the fraction got lost. Divide the difference: (x - mean) / sqrt(var + eps)."), _forward(normal=_lecture)),
    ("B6-fraction-lost", N_("this is the lecture's x - mean * sqrt(var) + eps. Divide the difference: (x - mean) / sqrt(var + eps); feed the running variance with the unbiased one; raise ValueError for invalid input."), _forward(normal=_lecture, update=_update(moments, shapes=False, several=False), shapes=False, several=lambda x, training: False)),
    ("B6-parenthesis", N_("only the mean is divided by sqrt(var + eps): parentheses around x - mean are missing."), _forward(normal=lambda x, m, v, e: x - m / np.sqrt(v + e))),
    ("B7-evaluation-only-centres", N_("evaluation subtracts the running mean but does not divide by sqrt(running var + eps)."), _forward(evaluate=lambda x, m, v, e: x - m)),
    ("B7-only-centres", N_("the mean is subtracted, but nothing is divided by sqrt(var + eps)."), _forward(normal=lambda x, m, v, e: x - m)),
    ("B7-evaluation-does-nothing", N_("evaluation does not normalize at all. Use the formula of training, with the running mean and variance in place of the batch's."), _forward(evaluate=lambda x, m, v, e: x)),
    ("B8-no-eps", N_("eps is missing: sqrt(var + eps). Without it a constant column is divided by zero."), _forward(normal=lambda x, m, v, e: (x - m) / np.sqrt(v))),
    ("B8-eps-squared", N_("eps is squared. Add it to the variance as it is: sqrt(var + eps)."), _forward(normal=lambda x, m, v, e: (x - m) / np.sqrt(v + e**2))),
    ("B8-eps-fixed", N_("eps is 1e-5 whatever is passed. Use the parameter."), _forward(normal=lambda x, m, v, e: (x - m) / np.sqrt(v + 1e-5))),
    ("B8-keras-eps", N_("eps is 1e-3, the default of Keras, whatever is passed. Use the parameter; its default here is PyTorch's 1e-5."), _forward(normal=lambda x, m, v, e: (x - m) / np.sqrt(v + 1e-3))),
    ("B9-batch-statistics-in-evaluation", N_("evaluation normalizes with the batch's own mean and variance, so the answer for one row depends on its neighbours. Use the running statistics there."), _forward(batch_in_evaluation=True)),
    ("B9-running-statistics-in-training", N_("training normalizes with the running statistics. Use the batch's own mean and variance there; the running ones are for evaluation."), _forward(running_in_training=True)),
    ("B9-updated-statistics-in-training", N_("training updates the running statistics first and then normalizes with them. Use the batch's own mean and variance; the running ones are for evaluation."), _learns_first),
    ("B9-modes-swapped", N_("the two modes are exchanged: training uses the running statistics and evaluation the batch's. Is the training flag read the wrong way round?"), _forward(batch_in_evaluation=True, running_in_training=True)),
    ("B10-updates-in-evaluation", N_("the running statistics change in evaluation too, so test data leak into the network. Return them as they were."), _forward(update_in_evaluation=True)),
    ("B9-training-flag-ignored", N_("evaluation does all that training does: it normalizes with the batch's statistics and updates the running ones. When training is False, use the running statistics and leave them as they are."), lambda x, g, b, r, training, *rest, **more: sound_forward(x, g, b, r, True, *rest, **more)),
    ("B14-variance-plus-eps", N_("the running variance receives var + eps. Average the variance alone; eps is added under the root when it is used."), _var_plus_eps),
    ("B15-statistics-of-the-output", N_("the running statistics are taken from the output, after gamma and beta. Take them from x."), _forward(learn=lambda x, out, eps: out)),
    ("B15-statistics-of-x-hat", N_("the running statistics are taken from the normalized batch, whose mean is 0 and variance 1 anyway. Take them from x."), _forward(learn=lambda x, out, eps: standardize(x, *moments(x), eps))),
    ("B16-layer-normalization", N_("training normalizes every row over its features: that is layer normalization. Batch normalization works on each column, over the rows: reduce axis 0."), _forward(_rows)),
    ("B16-over-everything", N_("one mean and one variance are taken over all elements of the batch. Every feature has its own: reduce axis 0 only."), _forward(_everything)),
    ("B29-per-row-without-keepdims", N_("mean and variance run over axis 1 and lose that axis, so they have N numbers and fit the columns only when N = D. Reduce axis 0: D numbers."), _forward(_no_keepdims)),
    ("B26-batch-of-one", N_("a batch of one is accepted in training: x equals its own mean, the output is beta whatever x is. Raise ValueError."), _forward(several=lambda x, training: False)),
    ("B26-batch-of-one-in-evaluation", N_("a batch of one is refused in evaluation too. There the running statistics are used, so any number of rows will do: raise only when training."), _forward(several=lambda x, training: True)),
    ("B30-gamma-forgotten", N_("gamma has no influence: the output is x_hat + beta. Multiply x_hat by gamma."), _forward(affine=lambda h, g, b, t: h + b)),
    ("B30-beta-forgotten", N_("beta has no influence: the output is gamma * x_hat. Add beta."), _forward(affine=lambda h, g, b, t: g * h)),
    ("B30-no-scale-and-shift", N_("neither gamma nor beta is used: you return x_hat. The output is gamma * x_hat + beta."), _forward(affine=lambda h, g, b, t: h)),
    ("B30-exchanged", N_("gamma and beta are exchanged: gamma is added and beta multiplies. The output is gamma * x_hat + beta."), _forward(affine=lambda h, g, b, t: b * h + g)),
    ("B30-shifts-first", N_("beta is added before gamma multiplies: gamma * (x_hat + beta). The output is gamma * x_hat + beta."), _forward(affine=lambda h, g, b, t: g * (h + b))),
    ("B30-training-only", N_("gamma and beta are used in training only. They belong to the layer: evaluation needs them too."), _forward(affine=lambda h, g, b, t: g * h + b if t else h)),
    ("P1-x-modified", N_("x itself is modified (x -= mean?). Compute a new array: the caller still needs x."), _in_place),
    ("P2-shapes-not-checked", N_("arrays of the wrong shape are accepted, because NumPy broadcasts them. Raise a ValueError unless x is (N, D) and all others are (D,)."), _forward(shapes=False)),
    ("P3-changes-dtype", N_("float32 input gives float64 output. Compute in the dtype of x, or convert the output at the end: out.astype(x.dtype)."), _float64),
]  # fmt: skip


# -- backward passes ---------------------------------------------------------------------------


def _gradients(
    through: Callable[[Array, dict[str, Any]], Array],
    constant: Callable[[Array, dict[str, Any]], Array] = lambda g, c: g * c["gamma"] * c["inverse"],
    dgamma: Callable[[Array, dict[str, Any]], Any] = lambda g, c: (g * c["x_hat"]).sum(axis=0),
    dbeta: Callable[[Array, dict[str, Any]], Any] = lambda g, c: g.sum(axis=0),
) -> Backward:
    """Return a backward pass: dx in training (``through``) and in evaluation, dgamma, dbeta."""

    def backward(dout: Array, cache: Any) -> Any:
        dx = (through if cache["training"] else constant)(dout, cache)
        return dx, dgamma(dout, cache), dbeta(dout, cache)

    return backward


def _dx(
    mean_path: float = 1.0,
    variance_path: float = 1.0,
    gamma: Callable[[dict[str, Any]], Any] = lambda c: c["gamma"],
    inverse: Callable[[dict[str, Any]], Any] = lambda c: c["inverse"],
    count: Callable[[Array], tuple[float, float]] = lambda g: (len(g), len(g)),
    centred: str = "x_hat",
) -> Callable[[Array, dict[str, Any]], Array]:
    """Return dx of training, sound except for what is replaced.

    dx = gamma / sqrt(var + eps) * (g - sum(g) / N - x_hat * sum(g * x_hat) / N), with the two sums
    weighted by ``mean_path`` and ``variance_path`` and divided by ``count``.
    """

    def dx(g: Array, c: dict[str, Any]) -> Array:
        n1, n2 = count(g)
        mean = mean_path * g.sum(axis=0) / n1
        variance = variance_path * c[centred] * (g * c["x_hat"]).sum(axis=0) / n2
        return np.asarray(gamma(c) * inverse(c) * (g - mean - variance))

    return dx


def _without_eps(c: dict[str, Any]) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(1 / np.sqrt(c["var"]))


def _fixed_eps(c: dict[str, Any]) -> Array:
    return np.asarray(1 / np.sqrt(c["var"] + 1e-5))


def _positive_exponent(g: Array, c: dict[str, Any]) -> Array:
    """Use (var + eps)**1.5 where (var + eps)**-1.5 is due."""
    scaled = g * c["gamma"]
    power = (c["var"] + c["eps"]) ** 1.5
    dvar = (scaled * c["centred"]).sum(axis=0) * -0.5 * power
    mean = scaled.sum(axis=0) / len(g)
    return np.asarray((scaled - mean) * c["inverse"] + dvar * 2 * c["centred"] / len(g))


def _constant_times(inverse: Callable[[dict[str, Any]], Any]) -> Callable[..., Array]:
    return lambda g, c: np.asarray(g * c["gamma"] * inverse(c))


def _x_hat_times(inverse: Callable[[dict[str, Any]], Any]) -> Callable[..., Array]:
    def dgamma(g: Array, c: dict[str, Any]) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray((g * c["centred"] * inverse(c)).sum(axis=0))

    return dgamma


def _eps_is(inverse: Callable[[dict[str, Any]], Any]) -> Backward:
    return _gradients(_dx(inverse=inverse), _constant_times(inverse))


def _remembers_last_mode() -> tuple[Forward, Backward]:
    last: dict[str, bool] = {}

    def forward(x: Array, gamma: Array, beta: Array, running: Running, training: bool, *rest: Any, **more: Any) -> Any:  # fmt: skip
        last["training"] = training
        return sound_forward(x, gamma, beta, running, training, *rest, **more)

    def backward(dout: Array, cache: Any) -> Any:
        return sound_backward(dout, {**cache, **last})

    return forward, backward


def _remembers_last_call() -> tuple[Forward, Backward]:
    last: dict[str, Any] = {}

    def forward(*given: Any, **more: Any) -> Any:
        out, cache, running = sound_forward(*given, **more)
        last.update(cache)
        return out, None, running

    def backward(dout: Array, cache: Any) -> Any:
        return sound_backward(dout, last)

    return forward, backward


def _overwrites(dout: Array, cache: Any) -> Any:
    gradients = sound_backward(dout, cache)
    dout *= cache["gamma"]
    return gradients


def _gradient_float64(dout: Array, cache: Any) -> Any:
    dx, dgamma, dbeta = sound_backward(dout, cache)
    return dx.astype(np.float64), dgamma, dbeta


def _exchanged(dout: Array, cache: Any) -> Any:
    dx, dgamma, dbeta = sound_backward(dout, cache)
    return dx, dbeta, dgamma


sound_backward = _gradients(_dx())
_sound = _dx()
_no_gamma = lambda c: 1.0  # noqa: E731

_BACKWARD_ENTRIES: list[tuple[str, str, Backward]] = [
    ("B17-statistics-as-constants", N_("in training, dx equals dout * gamma / sqrt(var + eps): mean and variance are treated as constants. They depend on every x of the column, so the gradient runs through them as well."), _gradients(_dx(0, 0))),
    ("B18-variance-path-missing", N_("dx lacks the path through the batch variance: subtract x_hat * mean(dout * x_hat) inside the bracket too."), _gradients(_dx(variance_path=0))),
    ("B18-mean-path-missing", N_("dx lacks the path through the batch mean: subtract mean(dout) inside the bracket too."), _gradients(_dx(mean_path=0))),
    ("B18-variance-path-sign", N_("the path through the variance has the wrong sign: x_hat * mean(dout * x_hat) is subtracted, not added."), _gradients(_dx(variance_path=-1))),
    ("B19-gamma-forgotten", N_("dx lacks gamma: by the chain rule the gradient of x_hat is dout * gamma."), _gradients(_dx(gamma=_no_gamma), lambda g, c: g * c["inverse"])),
    ("B19-dgamma-without-x-hat", N_("dgamma is the sum of dout. gamma multiplies x_hat, so dgamma is the sum of dout * x_hat."), _gradients(_sound, dgamma=lambda g, c: g.sum(axis=0))),
    ("B19-dgamma-with-x", N_("dgamma is the sum of dout * x. gamma multiplies the normalized input: sum dout * x_hat."), _gradients(_sound, dgamma=lambda g, c: (g * c["x"]).sum(axis=0))),
    ("B19-dgamma-with-out", N_("dgamma is the sum of dout * x_hat * gamma. The derivative of gamma * x_hat by gamma is x_hat alone."), _gradients(_sound, dgamma=lambda g, c: (g * c["x_hat"] * c["gamma"]).sum(axis=0))),
    ("B19-means-instead-of-sums", N_("dgamma and dbeta are averaged over the batch. The loss depends on gamma and beta through every row: sum the contributions."), _gradients(_sound, dgamma=lambda g, c: (g * c["x_hat"]).mean(axis=0), dbeta=lambda g, c: g.mean(axis=0))),
    ("B19-exchanged", N_("dgamma and dbeta are returned in each other's place. The order is dx, dgamma, dbeta."), _exchanged),
    ("B20-exponent-sign", N_("the gradient of the variance is multiplied by (var + eps)**1.5 where the derivative of (var + eps)**-0.5 has the exponent -1.5."), _gradients(_positive_exponent)),
    ("B21-centred-instead-of-x-hat", N_("the path through the variance uses x - mean where x_hat is due; they differ by sqrt(var + eps). Subtract x_hat * mean(dout * x_hat)."), _gradients(_dx(centred="centred"))),
    ("B22-sum-instead-of-mean", N_("1 / N is missing on the sum of dout: subtract its mean."), _gradients(_dx(count=lambda g: (1, len(g))))),
    ("B22-sum-instead-of-mean", N_("1 / N is missing on both sums: subtract the mean of dout, and x_hat times the mean of dout * x_hat."), _gradients(_dx(count=lambda g: (1, 1)))),
    ("B22-sum-of-products-instead-of-mean", N_("1 / N is missing on the sum of dout * x_hat: subtract x_hat times its mean."), _gradients(_dx(count=lambda g: (len(g), 1)))),
    ("B22-divides-by-n-minus-1", N_("the sums in dx are divided by N - 1. The forward pass normalizes with the biased variance, so both are means: divide by N."), _gradients(_dx(count=lambda g: (len(g) - 1, len(g) - 1)))),
    ("B22-variance-path-by-n-minus-1", N_("the path through the variance is divided by N - 1. The forward pass normalizes with the biased variance: divide by N."), _gradients(_dx(count=lambda g: (len(g), len(g) - 1)))),
    ("B23-eps-missing", N_("dx is computed without eps: divide by sqrt(var + eps), as the forward pass did."), _eps_is(_without_eps)),
    ("B23-eps-fixed", N_("dx is computed with eps = 1e-5, whatever the forward pass was given. Put eps (or 1 / sqrt(var + eps)) into the cache."), _eps_is(_fixed_eps)),
    ("B23-x-hat-without-eps", N_("x_hat is recomputed without eps for dgamma. Keep the x_hat of the forward pass in the cache."), _gradients(_sound, dgamma=_x_hat_times(_without_eps))),
    ("B24-training-formula-in-evaluation", N_("evaluation uses the formula of training. There mean and variance are constants: dx is dout * gamma / sqrt(running var + eps)."), _gradients(_sound, _sound)),
    ("B24-evaluation-passes-dout", N_("in evaluation dx equals dout. The layer still scales there: dx is dout * gamma / sqrt(running var + eps)."), _gradients(_sound, lambda g, c: g.copy())),
    ("B24-no-gradients-in-evaluation", N_("evaluation returns zero for dgamma and dbeta. They are the same sums in both modes, with the x_hat of the forward pass."), _gradients(_sound, dgamma=lambda g, c: (g * c["x_hat"]).sum(0) * c["training"], dbeta=lambda g, c: g.sum(0) * c["training"])),
    ("B29-sums-over-features", N_("dgamma and dbeta are summed over the features and have N numbers. Sum over the batch, axis 0: one number per feature."), _gradients(_sound, dgamma=lambda g, c: (g * c["x_hat"]).sum(axis=1), dbeta=lambda g, c: g.sum(axis=1))),
    ("B29-keeps-the-axis", N_("dgamma and dbeta have shape (1, D), because keepdims is set. They must have the shape of gamma and beta: (D,)."), _gradients(_sound, dgamma=lambda g, c: (g * c["x_hat"]).sum(axis=0, keepdims=True), dbeta=lambda g, c: g.sum(axis=0, keepdims=True))),
    ("B29-not-summed", N_("dgamma and dbeta still have one row per sample. Sum over the batch, axis 0."), _gradients(_sound, dgamma=lambda g, c: g * c["x_hat"], dbeta=lambda g, c: g.copy())),
    ("P1-dout-modified", N_("dout itself is modified (dout *= gamma?). Compute a new array: the caller still needs dout."), _overwrites),
    ("P3-gradient-dtype", N_("float32 gradients come back as float64. Compute in the dtype of dout, or convert dx at the end."), _gradient_float64),
]  # fmt: skip


# -- the catalogue, per check ------------------------------------------------------------------

# Mistakes of the forward pass that its gradient repeats: fixing the forward pass fixes both.
_REPEATED_BY_GRADIENT = {
    "B1-unbiased-normalization", "B4-eps-outside-the-root", "B5-no-root", "B6-multiplied",
    "B8-no-eps", "B8-eps-fixed", "B9-batch-statistics-in-evaluation", "B16-layer-normalization",
    "B9-running-statistics-in-training", "B16-over-everything",
}  # fmt: skip
# Mistakes that training cannot show: they raise, or concern dtypes, inputs and evaluation alone.
_NOT_IN_TRAINING = (
    "P", "B26", "B29", "B7-evaluation", "B6-multiplied-in", "B9-batch", "B9-training-flag", "B10", "B14-variance-plus",
    "B24", "B25", "B30-training-only", "B8-eps-fixed", "B23-eps-fixed",
)  # fmt: skip


def of_update() -> tuple[Misconception, ...]:
    """Return the entries that ``update_running_stats`` can show."""
    entries = [*_UPDATE_ENTRIES, *_ONLY_IN_UPDATE]
    return tuple(Misconception(id, says, (update,)) for id, says, update in entries)


def of_forward() -> tuple[Misconception, ...]:
    """Return the entries that ``batchnorm_forward`` can show."""
    updates = [(id, says, _forward(update=update)) for id, says, update in _UPDATE_ENTRIES]
    entries = [*updates, *_FORWARD_ENTRIES]
    return tuple(Misconception(id, says, (forward,)) for id, says, forward in entries)


def of_backward() -> tuple[Misconception, ...]:
    """Return the entries that ``batchnorm_backward`` can show, its own and its forward pass's."""
    mode = N_("the backward pass reads the mode of the latest forward call (a shared dict, a global variable?). The mode must be in the cache, as a value.")  # fmt: skip
    call = N_("the backward pass uses what the latest forward call computed (a global variable, an attribute?). Everything it needs must come from the cache it is given.")  # fmt: skip
    own = [Misconception(id, says, (sound_forward, b)) for id, says, b in _BACKWARD_ENTRIES]
    shared = [
        Misconception("B25-mode-by-reference", mode, _remembers_last_mode()),
        Misconception("B25-latest-call", call, _remembers_last_call()),
    ]
    repeated = [
        Misconception(m.id, m.says, (*m.functions, sound_backward))
        for m in of_forward()
        if m.id in _REPEATED_BY_GRADIENT
    ]
    return (*own, *shared, *repeated)


def of_training() -> tuple[Misconception, ...]:
    """Return the pairs of forward and backward that change what a network learns."""
    forwards = [Misconception(m.id, m.says, (*m.functions, sound_backward)) for m in of_forward()]
    backwards = [Misconception(id, says, (sound_forward, b)) for id, says, b in _BACKWARD_ENTRIES]
    return tuple(m for m in (*forwards, *backwards) if not m.id.startswith(_NOT_IN_TRAINING))
