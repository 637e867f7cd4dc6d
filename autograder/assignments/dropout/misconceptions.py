"""What do people get wrong about dropout?

Each entry is a wrong implementation that was seen in student code, in public courses or in lecture
texts, with the sentence that a student who wrote it should read. It serves twice: a failing check
names the entry that behaves like the student's function, and the tests require that every entry is
rejected and named.

``p`` is the drop probability everywhere. A mistake in the mask shows in every function that draws one,
so such entries are written once, as a mask, and wrapped into forward passes.

Not in this catalogue, because no function of the assignment can show it: dropout at the wrong place of
a network (on the logits, after the softmax, before batch normalization).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.engine.declare import Misconception
from autograder.engine.messages import N_

Array = NDArray[Any]
Rng = np.random.Generator
Mask = Callable[[Any, float, Rng], Any]
Forward = Callable[[Array, float, bool, Rng], Any]
Backward = Callable[[Array, Any], Any]


def require_probability(p: float) -> None:
    """Raise ValueError when ``p`` is outside [0, 1]."""
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")


def multiplier(shape: Any, p: float, rng: Rng) -> Array:
    """Return what a sound layer multiplies by, for entries whose mistake lies elsewhere."""
    return np.asarray((rng.random(shape) >= p) * (0.0 if p == 1 else 1 / (1 - p)))


# -- masks: name, what to say, how the 0/1 mask is drawn, by what it is multiplied --------------


def _keep(shape: Any, p: float, rng: Rng) -> Array:
    return np.asarray(rng.random(shape) >= p)


def _inverse_keep(p: float) -> float:
    return 0.0 if p == 1 else 1 / (1 - p)


def _mask(
    keep: Callable[[Any, float, Rng], Array] = _keep,
    factor: Callable[[float], float] = _inverse_keep,
) -> Mask:
    def mask(shape: Any, p: float, rng: Rng) -> Any:
        require_probability(p)
        return keep(shape, p, rng) * factor(p)

    return mask


def _exact_count(shape: Any, p: float, rng: Rng) -> Array:
    keep = np.ones(int(np.prod(shape)), dtype=bool)
    keep[rng.permutation(keep.size)[: round(p * keep.size)]] = False
    return keep.reshape(shape)


def _per_feature(shape: Any, p: float, rng: Rng) -> Array:
    return np.broadcast_to(rng.random(shape[1:]) >= p, shape)


def _per_sample(shape: Any, p: float, rng: Rng) -> Array:
    column = (*shape[:1], *(1 for _ in shape[1:]))
    return np.broadcast_to(rng.random(column) >= p, shape)


def _reseeded(shape: Any, p: float, rng: Rng) -> Array:
    np.random.seed(1)
    return np.asarray(np.random.rand(*shape) >= p)


def _own_fixed_generator(shape: Any, p: float, rng: Rng) -> Array:
    return np.asarray(np.random.default_rng(0).random(shape) >= p)


def _global(shape: Any, p: float, rng: Rng) -> Array:
    return np.asarray(np.random.rand(*shape) >= p)


def _cached_mask() -> Mask:
    masks: dict[Any, Any] = {}

    def mask(shape: Any, p: float, rng: Rng) -> Any:
        require_probability(p)
        if (shape, p) not in masks:
            masks[shape, p] = multiplier(shape, p, rng)
        return masks[shape, p]

    return mask


def _observed_fraction(shape: Any, p: float, rng: Rng) -> Any:
    require_probability(p)
    keep = _keep(shape, p, rng)
    return keep / max(float(keep.mean()) if keep.size else 1.0, 1e-12)


def _divides_by_zero(shape: Any, p: float, rng: Rng) -> Any:
    require_probability(p)
    with np.errstate(all="ignore"):
        return (rng.random(shape) >= p) / (np.float64(1) - p)


def _unchecked(shape: Any, p: float, rng: Rng) -> Any:
    return multiplier(shape, p, rng)


def _mask_entries() -> list[tuple[str, str, Mask]]:
    return [
        ("D1-unscaled", N_("your kept units are not divided by 1 - p: the output equals x * mask, so activations shrink in training. Multiply the kept units by 1 / (1 - p)."), _mask(factor=lambda p: 1.0)),
        ("D2-divides-by-p", N_("kept units are divided by p instead of 1 - p. The two agree only at p = 0.5."), _mask(factor=lambda p: 1 / p if p else 1.0)),
        ("D4-multiplies", N_("kept units are multiplied by 1 - p instead of divided by it. Training has to make up for the units that are missing."), _mask(factor=lambda p: 1 - p)),
        ("D3-keep-and-drop-swapped", N_("p is used as the probability of keeping a unit. Here, as in PyTorch, p is the probability of dropping it: keep where rng.random(shape) >= p."), _mask(lambda s, p, rng: rng.random(s) < p)),
        ("D3-keep-and-drop-swapped-throughout", N_("p is used as the probability of keeping a unit, in the mask and in the scale 1 / p. Here, as in PyTorch, p is the probability of dropping it."), _mask(lambda s, p, rng: rng.random(s) < p, lambda p: 1 / p if p else 0.0)),
        ("D21-threshold-swapped", N_("the comparison uses 1 - p where p belongs, so units are dropped with probability 1 - p. Keep where rng.random(shape) >= p."), _mask(lambda s, p, rng: rng.random(s) > 1 - p)),
        ("D17-mask-per-feature", N_("one mask is drawn per feature and shared by all samples of the batch. Draw a number for every element: rng.random(shape)."), _mask(_per_feature)),
        ("D17-mask-per-sample", N_("one number is drawn per sample, so a sample loses all its units or none. Draw a number for every element: rng.random(shape)."), _mask(_per_sample)),
        ("D18-exact-count", N_("exactly p * n units are dropped every time. Dropout drops each unit independently, so the number that is dropped varies."), _mask(_exact_count)),
        ("D19-reseeds", N_("np.random.seed(...) inside the function gives the same mask in every step and disturbs everybody else's random numbers. Draw from the rng you are given."), _mask(_reseeded)),
        ("D19-own-fixed-generator", N_("a generator with a fixed seed is made inside the function, so every call gives the same mask. Draw from the rng you are given."), _mask(_own_fixed_generator)),
        ("D20-global-random", N_("the mask does not come from the rng you are given (np.random.rand, a generator made inside, torch?). Draw it with rng.random(shape)."), _mask(_global)),
        ("D9-mask-reused", N_("the first mask is kept and used again by later calls. Every call must draw a new one."), _cached_mask()),
        ("D22-one-number-for-all", N_("a single random number decides for the whole array. Ask for one number per unit: rng.random(shape)."), _mask(lambda s, p, rng: np.full(s, rng.random() >= p))),
        ("D22-normal-numbers", N_("the numbers compared with p come from a normal distribution (randn, standard_normal). Dropout needs uniform ones: rng.random(shape)."), _mask(lambda s, p, rng: rng.standard_normal(s) >= p)),
        ("D22-noise-instead-of-mask", N_("units are multiplied by the random numbers themselves. Compare the numbers with p first: a unit is either kept or dropped."), _mask(lambda s, p, rng: rng.random(s))),
        ("D22-coin-flip", N_("units are dropped with probability 1/2 whatever p is. Compare uniform numbers with p."), _mask(lambda s, p, rng: rng.integers(0, 2, s))),
        ("D25-observed-fraction", N_("kept units are divided by the fraction that happened to be kept. PyTorch divides by 1 - p, the fraction expected: the scale is the same in every call."), _observed_fraction),
        ("D23-nan-at-one", N_("p = 1 divides zero by zero. Treat it separately: everything is dropped and the result is zero."), _divides_by_zero),
        ("D23-p-not-checked", N_("p outside [0, 1] is accepted. Raise a ValueError that names the value."), _unchecked),
        ("C1-kept-below-1-minus-p", N_("your mask follows the right law, but keeps units where rng.random(shape) < 1 - p (rng.choice does that too). For the same seed that is another mask than this course's: keep where rng.random(shape) >= p."), _mask(lambda s, p, rng: rng.random(s) < 1 - p)),
        ("C2-binomial", N_("your mask follows the right law, but comes from rng.binomial. For the same seed that is another mask than this course's: keep where rng.random(shape) >= p."), _mask(lambda s, p, rng: rng.binomial(1, 1 - p, s))),
        ("C3-other-numbers", N_("your numbers are not the float64 ones that rng.random(shape) gives in one call (float32, one call per row or element, another method?)."), _mask(lambda s, p, rng: rng.random(s, dtype=np.float32) >= p)),
    ]  # fmt: skip


# -- forward passes ----------------------------------------------------------------------------


def _forward(mask: Mask, inverted: bool = True) -> Forward:
    """Wrap a mask into a forward pass that is sound otherwise; its cache is the multiplier."""

    def forward(x: Array, p: float, training: bool, rng: Rng) -> Any:
        if not training:
            require_probability(p) if mask is not _unchecked else None
            out, cache = x.copy(), np.ones_like(x)
        else:
            cache = np.asarray(mask(x.shape, p, rng)).astype(x.dtype)
            if not inverted and 0 < p < 1:
                cache = cache * np.asarray(1 - p, dtype=x.dtype)
            out = x * cache
        if not inverted:
            return out if training else x * np.asarray(1 - p, dtype=x.dtype)
        return out, cache

    return forward


def plain_backward(dout: Array, cache: Any) -> Array:
    """Multiply by what the forward pass multiplied by (its cache, in this catalogue)."""
    return np.asarray(dout * cache)


def _vanilla(x: Array, p: float, training: bool, rng: Rng) -> Any:  # D5
    require_probability(p)
    cache = _keep(x.shape, p, rng).astype(x.dtype) if training else np.full_like(x, 1 - p)
    return x * cache, cache


def _evaluates_times(factor: Callable[[float], float]) -> Forward:
    def forward(x: Array, p: float, training: bool, rng: Rng) -> Any:
        require_probability(p)
        if training:
            cache = multiplier(x.shape, p, rng).astype(x.dtype)
        else:
            cache = np.full_like(x, factor(p))
        return x * cache, cache

    return forward


def _always_on(x: Array, p: float, training: bool, rng: Rng) -> Any:  # D8
    require_probability(p)
    cache = multiplier(x.shape, p, rng).astype(x.dtype)
    return x * cache, cache


def _always_off(x: Array, p: float, training: bool, rng: Rng) -> Any:
    require_probability(p)
    return x.copy(), np.ones_like(x)


def _draws_in_evaluation(x: Array, p: float, training: bool, rng: Rng) -> Any:  # D8
    require_probability(p)
    mask = multiplier(x.shape, p, rng).astype(x.dtype)
    cache = mask if training else np.ones_like(x)
    return x * cache, cache


def _in_place(x: Array, p: float, training: bool, rng: Rng) -> Any:  # D16
    require_probability(p)
    cache = multiplier(x.shape, p, rng).astype(x.dtype) if training else np.ones_like(x)
    x *= cache
    return x.copy(), cache


def _float64(x: Array, p: float, training: bool, rng: Rng) -> Any:  # D24
    require_probability(p)
    cache = multiplier(x.shape, p, rng) if training else np.ones_like(x)
    return x * cache, cache


_FORWARD_ENTRIES: list[tuple[str, str, Forward]] = [
    ("D5-scales-in-evaluation", N_("this is the original formulation: no scaling in training, times 1 - p in evaluation. Here the scaling belongs to training (1 / (1 - p)) and evaluation is the identity."), _vanilla),
    ("D6-scales-twice", N_("training already divides by 1 - p, and evaluation multiplies by 1 - p as well. Do one or the other: here evaluation returns x unchanged."), _evaluates_times(lambda p: 1 - p)),
    ("D7-evaluates-times-p", N_("evaluation multiplies by the drop rate p. Evaluation returns x unchanged (the original formulation multiplies by 1 - p, never by p)."), _evaluates_times(lambda p: p)),
    ("D8-active-in-evaluation", N_("units are dropped in evaluation too: the training flag is ignored. Return x unchanged when training is False."), _always_on),
    ("D8-never-active", N_("nothing is dropped in training. Is the training flag reversed or the mask forgotten?"), _always_off),
    ("D8-draws-in-evaluation", N_("the mask is drawn before the training flag is looked at, so evaluation uses up random numbers. Draw only when training is True."), _draws_in_evaluation),
    ("D16-changes-its-input", N_("x itself is modified (x *= mask?). Compute a new array: the caller still needs x."), _in_place),
    ("D24-changes-dtype", N_("float32 input gives float64 output: the mask is float64. Convert the mask to x.dtype before multiplying."), _float64),
]  # fmt: skip


# -- backward passes ---------------------------------------------------------------------------


def _caching(*names: str) -> Forward:
    """Return a sound forward pass whose cache holds the named values, for a wrong backward."""

    def forward(x: Array, p: float, training: bool, rng: Rng) -> Any:
        require_probability(p)
        scale = multiplier(x.shape, p, rng).astype(x.dtype) if training else np.ones_like(x)
        values = {
            "x": x,
            "out": x * scale,
            "scale": scale,
            "p": p,
            "training": training,
            "rng": rng,
        }
        return values["out"], tuple(values[n] for n in names)

    return forward


def _new_mask(dout: Array, cache: Any) -> Array:  # D10
    p, training, rng = cache
    return dout * multiplier(dout.shape, p, rng).astype(dout.dtype) if training else dout.copy()


def _new_mask_elsewhere(dout: Array, cache: Any) -> Array:  # D10
    p, training = cache
    mask = (np.random.rand(*dout.shape) >= p) * _inverse_keep(p)
    return dout * mask.astype(dout.dtype) if training else dout.copy()


def _unscaled_gradient(dout: Array, cache: Any) -> Array:  # D11
    (scale,) = cache
    return np.asarray(dout * (scale != 0))


def _scaled_twice(dout: Array, cache: Any) -> Array:  # D12
    scale, p, training = cache
    return np.asarray(dout * scale * dout.dtype.type(_inverse_keep(p) if training else 1))


def _unmasked(dout: Array, cache: Any) -> Array:  # D13
    return dout.copy()


def _unmasked_scaled(dout: Array, cache: Any) -> Array:  # D13
    p, training = cache
    return np.asarray(dout * dout.dtype.type(_inverse_keep(p) if training else 1))


def _mask_from_output(dout: Array, cache: Any) -> Array:  # D14
    out, p, training = cache
    return dout * (out != 0) * dout.dtype.type(_inverse_keep(p)) if training else dout.copy()


def _scaled_in_evaluation(dout: Array, cache: Any) -> Array:  # D15
    scale, p = cache
    return np.asarray(dout * (scale != 0) * dout.dtype.type(_inverse_keep(p)))


def _masked_in_evaluation(dout: Array, cache: Any) -> Array:  # D15
    scale, p, training, rng = cache
    return np.asarray(
        dout * (scale if training else multiplier(dout.shape, p, rng).astype(dout.dtype))
    )


def _remembers_last_call(training_only: bool) -> tuple[Forward, Backward]:  # D9, D15
    last: dict[str, Any] = {"scale": np.ones(())}
    sound = _caching("scale")

    def forward(x: Array, p: float, training: bool, rng: Rng) -> Any:
        out, (scale,) = sound(x, p, training, rng)
        if training or not training_only:
            last["scale"] = scale
        return out, None

    def backward(dout: Array, cache: Any) -> Array:
        return np.asarray(dout * last["scale"])

    return forward, backward


def _overwrites_gradient(dout: Array, cache: Any) -> Array:  # D16
    (scale,) = cache
    dout *= scale
    return dout


def _gradient_float64(dout: Array, cache: Any) -> Array:  # D24
    (scale,) = cache
    return np.asarray(dout * scale.astype(np.float64))


def _backward_entries() -> list[tuple[str, str, tuple[Forward, Backward]]]:
    """Return the entries, made anew: some of their functions remember earlier calls."""
    return [
        ("D11-gradient-unscaled", N_("dx equals dout * mask: the factor 1 / (1 - p) of the forward pass is missing. The derivative of x * mask / (1 - p) has it too."), (_caching("scale"), _unscaled_gradient)),
        ("D12-gradient-scaled-twice", N_("the gradient is divided by 1 - p twice: the mask in the cache is already scaled."), (_caching("scale", "p", "training"), _scaled_twice)),
        ("D13-gradient-unmasked", N_("dx equals dout: units that were dropped in the forward pass still receive a gradient. Multiply by the mask of the forward pass."), (_caching(), _unmasked)),
        ("D13-gradient-unmasked-scaled", N_("dx equals dout / (1 - p) everywhere: units that were dropped still receive a gradient. Multiply by the mask of the forward pass."), (_caching("p", "training"), _unmasked_scaled)),
        ("D14-mask-from-values", N_("the mask is recovered from which outputs (or inputs) are zero. A kept unit can be zero as well, and then loses its gradient: keep the mask in the cache."), (_caching("out", "p", "training"), _mask_from_output)),
        ("D15-evaluation-gradient-scaled", N_("in evaluation the gradient is still divided by 1 - p. The forward pass was the identity there, so dx equals dout: the cache must know the mode."), (_caching("scale", "p"), _scaled_in_evaluation)),
        ("D15-evaluation-gradient-masked", N_("in evaluation the gradient is still masked. The forward pass was the identity there, so dx equals dout."), (_caching("scale", "p", "training", "rng"), _masked_in_evaluation)),
        ("D15-stale-mask-in-evaluation", N_("the backward pass of an evaluation uses the mask of an earlier training call. Everything it needs must come from the cache of its own forward call."), _remembers_last_call(True)),
        ("D9-mask-outside-the-cache", N_("the backward pass uses the mask of the latest forward call (a global variable?). It must use the one in the cache it is given."), _remembers_last_call(False)),
        ("D10-new-mask-in-backward", N_("the backward pass draws a new mask. It must use the mask of its forward call: put it in the cache."), (_caching("p", "training", "rng"), _new_mask)),
        ("D10-new-mask-in-backward", N_("the backward pass draws a new mask. It must use the mask of its forward call: put it in the cache."), (_caching("p", "training"), _new_mask_elsewhere)),
        ("D16-changes-dout", N_("dout itself is modified (dout *= mask?). Compute a new array: the caller still needs dout."), (_caching("scale"), _overwrites_gradient)),
        ("D24-gradient-dtype", N_("float32 gradients come back as float64: the mask is float64. Convert it to dout.dtype."), (_caching("scale"), _gradient_float64)),
    ]  # fmt: skip


# -- the original formulation ------------------------------------------------------------------


def _classic(
    in_training: Callable[[float], float] = lambda p: 1.0,
    in_evaluation: Callable[[float], float] = lambda p: 1 - p,
) -> Forward:
    def forward(x: Array, p: float, training: bool, rng: Rng) -> Any:
        require_probability(p)
        factor = x.dtype.type(in_training(p) if training else in_evaluation(p))
        return x * factor * _keep(x.shape, p, rng) if training else x * factor

    return forward


def _classic_in_place(x: Array, p: float, training: bool, rng: Rng) -> Any:
    require_probability(p)
    x *= _keep(x.shape, p, rng) if training else x.dtype.type(1 - p)
    return x.copy()


def _classic_draws(x: Array, p: float, training: bool, rng: Rng) -> Any:
    require_probability(p)
    keep = _keep(x.shape, p, rng)
    return x * keep if training else x * x.dtype.type(1 - p)


def _classic_always_on(x: Array, p: float, training: bool, rng: Rng) -> Any:
    require_probability(p)
    return x * _keep(x.shape, p, rng)


def _classic_float64(x: Array, p: float, training: bool, rng: Rng) -> Any:
    require_probability(p)
    return x * _keep(x.shape, p, rng).astype(np.float64) if training else x * np.float64(1 - p)


_CLASSIC_ENTRIES: list[tuple[str, str, Forward]] = [
    ("D7-classic-evaluates-times-p", N_("evaluation multiplies by the drop rate p. A unit is present a fraction 1 - p of the time, so that is the factor; the two agree only at p = 0.5."), _classic(in_evaluation=lambda p: p)),
    ("D6-classic-scales-in-training", N_("training already divides by 1 - p and evaluation multiplies by 1 - p as well. The original formulation scales in evaluation only."), _classic(_inverse_keep)),
    ("D5-classic-is-inverted", N_("this is inverted dropout. The original formulation leaves kept units alone in training and multiplies by 1 - p in evaluation."), _classic(_inverse_keep, lambda p: 1.0)),
    ("D5-classic-forgets-evaluation", N_("evaluation returns x unchanged although training did not scale: activations are larger by 1 / (1 - p) than in training. Multiply by 1 - p."), _classic(in_evaluation=lambda p: 1.0)),
    ("D4-classic-divides-in-evaluation", N_("evaluation divides by 1 - p instead of multiplying: all units are present, so their sum must be made smaller."), _classic(in_evaluation=_inverse_keep)),
    ("D8-classic-active-in-evaluation", N_("units are dropped in evaluation too: the training flag is ignored."), _classic_always_on),
    ("D8-classic-draws-in-evaluation", N_("the mask is drawn before the training flag is looked at, so evaluation uses up random numbers."), _classic_draws),
    ("D16-classic-changes-its-input", N_("x itself is modified (x *= mask?). Compute a new array: the caller still needs x."), _classic_in_place),
    ("D24-classic-changes-dtype", N_("float32 input gives float64 output: the mask is float64. Convert the mask to x.dtype before multiplying."), _classic_float64),
]  # fmt: skip


# -- Monte Carlo dropout -----------------------------------------------------------------------


def _mc(
    training: bool = True,
    transform: Callable[[Array], Array] = lambda samples: samples,
    mean: Callable[[Array], Any] = lambda samples: samples.mean(axis=0),
    std: Callable[[Array], Any] = lambda samples: samples.std(axis=0),
    extra: int = 0,
    reuse: bool = False,
    check: bool = True,
) -> Callable[..., Any]:
    def mc_dropout(predict: Callable[..., Any], x: Array, n_samples: int, rng: Rng) -> Any:
        if check and n_samples < 1:
            raise ValueError(f"n_samples must be at least 1, got {n_samples}")
        count = n_samples + extra
        if reuse:
            passes = [predict(x, training, rng)] * count
        else:
            passes = [predict(x, training, rng) for _ in range(count)]
        with np.errstate(all="ignore"):
            samples = transform(np.stack(passes)) if passes else np.zeros((0, 1, 1))
            return mean(samples), std(samples)

    return mc_dropout


def _mc_changes_input(predict: Callable[..., Any], x: Array, n_samples: int, rng: Rng) -> Any:
    result = _mc()(predict, x, n_samples, rng)
    x *= 0
    return result


def _mc_reseeded(predict: Callable[..., Any], x: Array, n_samples: int, rng: Rng) -> Any:
    if n_samples < 1:
        raise ValueError("n_samples must be at least 1")
    samples = np.stack([predict(x, True, np.random.default_rng(0)) for _ in range(n_samples)])
    return samples.mean(axis=0), samples.std(axis=0)


def _mc_other_generator(predict: Callable[..., Any], x: Array, n_samples: int, rng: Rng) -> Any:
    if n_samples < 1:
        raise ValueError("n_samples must be at least 1")
    samples = np.stack([predict(x, True, np.random.default_rng(i)) for i in range(n_samples)])
    return samples.mean(axis=0), samples.std(axis=0)


def _one_hot(samples: Array) -> Array:
    return np.asarray(np.eye(samples.shape[-1])[samples.argmax(axis=-1)])


_MC_ENTRIES: list[tuple[str, str, Callable[..., Any]]] = [
    ("M1-dropout-off", N_("predict is called with training=False, so all samples are the same and the spread is zero. Dropout must stay on."), _mc(training=False)),
    ("M2-one-sample-reused", N_("one prediction is made and repeated. Call predict n_samples times so that each sample has its own masks."), _mc(reuse=True)),
    ("M2-same-seed-for-every-sample", N_("every pass gets a generator with the same seed, so all samples are the same. Pass on the rng you are given."), _mc_reseeded),
    ("M2-own-generators", N_("the passes do not use the rng you are given, one after the other."), _mc_other_generator),
    ("D41-averages-decisions", N_("class decisions (argmax) are averaged instead of probabilities."), _mc(transform=_one_hot)),
    ("M3-variance", N_("the second result is the variance. Return its square root, the standard deviation."), _mc(std=lambda s: s.var(axis=0))),
    ("M3-sample-standard-deviation", N_("the standard deviation divides by n_samples - 1. Here it divides by n_samples: np.std's default, ddof=0."), _mc(std=lambda s: s.std(axis=0, ddof=1) if len(s) > 1 else s.std(axis=0))),
    ("M3-standard-error", N_("the second result is divided by sqrt(n_samples): that is the error of the mean, which vanishes with more samples. Return the spread of the predictions itself."), _mc(std=lambda s: s.std(axis=0) / np.sqrt(len(s)))),
    ("M4-sum", N_("the predictions are added up but not divided by n_samples."), _mc(mean=lambda s: s.sum(axis=0))),
    ("M4-wrong-axis", N_("mean and standard deviation run over another axis than the samples. Stack the predictions and reduce axis 0: the result has the shape of one prediction."), _mc(mean=lambda s: s.mean(axis=1), std=lambda s: s.std(axis=1))),
    ("M4-wrong-axis", N_("mean and standard deviation run over another axis than the samples. Stack the predictions and reduce axis 0: the result has the shape of one prediction."), _mc(mean=lambda s: s.mean(), std=lambda s: s.std())),
    ("M4-one-sample-too-many", N_("one sample too many is taken."), _mc(extra=1)),
    ("M4-one-sample-too-few", N_("one sample too few is taken."), _mc(extra=-1)),
    ("M5-n-samples-not-checked", N_("n_samples below 1 is accepted. Raise a ValueError that names the value."), _mc(check=False)),
    ("D16-mc-changes-its-input", N_("x itself is modified. Leave the input alone: the caller still needs it."), _mc_changes_input),
]  # fmt: skip


# -- the catalogue, per check ------------------------------------------------------------------


def of_mask() -> tuple[Misconception, ...]:
    """Return the entries that ``dropout_mask`` can show."""
    return tuple(Misconception(id, says, (mask,)) for id, says, mask in _mask_entries())


def of_forward() -> tuple[Misconception, ...]:
    """Return the entries that ``dropout_forward`` can show."""
    from_masks = [(id, says, _forward(mask)) for id, says, mask in _mask_entries()]
    entries = [*from_masks, *_FORWARD_ENTRIES]
    return tuple(Misconception(id, says, (forward,)) for id, says, forward in entries)


# Mistakes of the forward pass that its gradient repeats: fixing the forward pass fixes both.
_REPEATED_BY_GRADIENT = {
    "D1-unscaled", "D2-divides-by-p", "D4-multiplies", "D3-keep-and-drop-swapped-throughout",
    "D22-noise-instead-of-mask", "D25-observed-fraction", "D5-scales-in-evaluation",
    "D6-scales-twice", "D7-evaluates-times-p", "D8-active-in-evaluation", "D8-never-active",
}  # fmt: skip


def of_backward() -> tuple[Misconception, ...]:
    """Return the entries that ``dropout_backward`` can show, its own and its forward pass's."""
    repeated = [
        Misconception(m.id, m.says, (*m.functions, plain_backward))
        for m in of_forward()
        if m.id in _REPEATED_BY_GRADIENT
    ]
    own = [Misconception(id, says, pair) for id, says, pair in _backward_entries()]
    return (*own, *repeated)


def of_classic() -> tuple[Misconception, ...]:
    """Return the entries that ``classic_dropout_forward`` can show."""
    scaling = {"D1-unscaled", "D2-divides-by-p", "D4-multiplies", "D25-observed-fraction"}
    from_masks = [
        (id, says, _forward(mask, inverted=False))
        for id, says, mask in _mask_entries()
        if id not in scaling
    ]
    entries = [*from_masks, *_CLASSIC_ENTRIES]
    return tuple(Misconception(id, says, (forward,)) for id, says, forward in entries)


def of_mc() -> tuple[Misconception, ...]:
    """Return the entries that ``mc_dropout`` can show."""
    return tuple(Misconception(id, says, (mc_dropout,)) for id, says, mc_dropout in _MC_ENTRIES)


def of_training() -> tuple[Misconception, ...]:
    """Return the pairs of forward and backward that change what a network learns."""
    forwards = [Misconception(m.id, m.says, (*m.functions, plain_backward)) for m in of_forward()]
    backwards = [Misconception(id, says, pair) for id, says, pair in _backward_entries()]
    return (*forwards, *backwards)
