"""What do people get wrong about optimizers? Entries of the catalogue, per student function.

Each is a row: id, sentence, the wrong step (see :mod:`autograder.assignments.optimizers.rules`). Ids with an O and a number
were seen in student code, public courses or lecture texts; those with an A are arguments that are not used.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from autograder.assignments.optimizers import rules
from autograder.assignments.optimizers.rules import DEFAULTS, Step, average, sound
from autograder.engine.messages import N_

Entry = tuple[str, str, Step]


# -- every optimizer ---------------------------------------------------------------------------

UPHILL = N_(
    "the parameter moves along the gradient instead of against it. Subtract the step: the gradient points to where the loss grows."
)
NO_DECAY = N_(
    "weight_decay has no effect. Add weight_decay * param to the gradient before anything else is done with it."
)
OUTSIDE = N_(
    "weight decay shrinks the parameter beside the step (AdamW's way) instead of going through the gradient. Start with g = grad + weight_decay * param and use g from there on."
)
GROWS = N_(
    "weight decay enters with the wrong sign, so weights grow. Add weight_decay * param to the gradient."
)
TWICE = N_(
    "weight decay is twice as strong as it should be: the factor 2 belongs to Keras's l2(c), the penalty c * w**2. PyTorch's weight_decay adds weight_decay * param to the gradient, once."
)


def shared(name: str) -> list[Entry]:
    """Return the mistakes that every optimizer can have."""
    entries: list[Entry] = [
        ("O1-uphill", UPHILL, rules.uphill(sound(name))),
        ("O24-changes-param", N_("param itself is modified (param -= ...?). Compute a new array: the caller still needs the old one."), rules.changes_param(sound(name))),
        ("O26-float64", N_("float32 parameters come back as float64: NumPy scalars such as np.sqrt(1 - beta2**t) are float64 and so is what they touch. Use math.sqrt or ** 0.5 on Python floats, or convert to param.dtype."), rules.doubles(sound(name))),
        ("O26-truncates-integers", N_("for integer parameters the result is cut to integers, so small steps vanish. Raise ValueError when param is not of a float dtype, or let NumPy promote it: no astype(param.dtype) of integers, no in-place steps."), rules.truncates(sound(name))),
    ]  # fmt: skip
    if name != "sgd":
        entries += [
            ("O23-state-shared", N_("the state is kept outside of the dict (a global variable, a default argument?), so several parameters of a network overwrite each other's. Keep everything in the dict that you return."), rules.shares_state(sound(name))),
            ("O24-changes-state", N_("the state that was passed in is modified: the dict, or in place an array in it (state['m'] *= ...). Build a new dict with new arrays and return it."), rules.changes_state(sound(name))),
        ]  # fmt: skip
    if name not in ("sgd", "momentum"):  # momentum without a memory is O2-buffer-not-used
        entries += [
            ("O14-state-forgotten", N_("every step starts from an empty state: nothing is remembered from the steps before. Read the old values from `state` and return the new ones in a dict."), rules.forgets(sound(name))),
        ]  # fmt: skip
    if name != "adamw":
        entries += [
            ("O9-weight-decay-ignored", NO_DECAY, sound(name, decay=rules.no_decay)),
            ("O10-weight-decay-doubled", TWICE, sound(name, decay=lambda p, g, c: (p, g + 2 * c.weight_decay * p))),
            ("O10-weight-decay-grows", GROWS, sound(name, decay=lambda p, g, c: (p, g - c.weight_decay * p))),
            ("O25-changes-grad", N_("grad itself is modified (grad += weight_decay * param?). Compute a new array: the caller still needs the gradient."), rules.changes_grad(sound(name))),
        ]  # fmt: skip
    if name not in ("adamw", "sgd"):
        entries.append(("O9-weight-decay-outside", OUTSIDE, sound(name, decay=rules.decoupled)))
    return entries + [
        (f"A-{argument.replace('_', '-')}-ignored", IGNORED[argument], rules.ignores(sound(name), argument))
        for argument in DEFAULTS[name]
        if argument in IGNORED
    ]  # fmt: skip


IGNORED = {
    "momentum": N_("the argument momentum has no effect (a number in its place, or the branch for it is missing?). Use the value that is passed."),
    "dampening": N_("dampening has no effect. From the second step on, buf = momentum * buf + (1 - dampening) * g."),
    "lr_decay": N_("lr_decay has no effect. The learning rate of step t is lr / (1 + (t - 1) * lr_decay), with t = 1 in the first step."),
    "alpha": N_("the argument alpha has no effect: is 0.99 (or 0.9) written in its place? Use the value that is passed."),
    "eps": N_("the argument eps has no effect: it is left out, or a number is written in its place. Add the value that is passed."),
    "centered": N_("centered has no effect. It keeps a second average, of the gradient itself, and subtracts its square from v under the root."),
    "betas": N_("the argument betas has no effect: are 0.9 and 0.999 written in its place? Use beta1, beta2 = betas."),
    "amsgrad": N_("amsgrad has no effect. It keeps the element-wise maximum of all v so far in the state and divides by the root of that instead."),
}  # fmt: skip
"""What to say when an argument is not used. momentum_decay has a row of its own."""


# -- SGD, momentum, Nesterov -------------------------------------------------------------------


def _momentum(**changes: Any) -> Step:
    return sound("momentum", family=rules.momentum(**changes))


def _nesterov(**changes: Any) -> Step:
    return sound("nesterov", family=rules.nesterov(**changes))


AVERAGE: dict[str, Any] = {
    "first": lambda g, c: (1 - c.momentum) * g,
    "later": lambda buf, g, c: average(buf, g, c.momentum),
}
LR_INSIDE: dict[str, Any] = {
    "first": lambda g, c: c.lr * g,
    "later": lambda buf, g, c: c.momentum * buf + (1 - getattr(c, "dampening", 0)) * c.lr * g,
}
EMA = N_(
    "the buffer is a moving average, momentum * buf + (1 - momentum) * g, as in deeplearning.ai's course. PyTorch adds the whole gradient: momentum * buf + g."
)

MOMENTUM: list[Entry] = [
    ("O2-buffer-not-used", N_("the parameter moves by the gradient alone, so this is plain SGD: the buffer is not used, or not kept in the state that you return. Move by lr * buf, with buf = momentum * buf + g."), _momentum(move=lambda g, buf, old, c: c.lr * g)),
    ("O3-moving-average", EMA, _momentum(**AVERAGE)),
    ("O4-lr-in-the-buffer", N_("the learning rate is inside the velocity (v = momentum * v - lr * g, the form of Keras and many lectures). PyTorch keeps it out of the buffer, param - lr * buf: the two part when lr changes."), _momentum(**LR_INSIDE, move=lambda g, buf, old, c: buf)),
    ("O5-minus-twice", N_("the velocity has its minus already (v = momentum * v - lr * g) and is subtracted again, so the parameter climbs. PyTorch's buffer is momentum * buf + g, and the step is param - lr * buf."), _momentum(**LR_INSIDE, move=lambda g, buf, old, c: -buf)),
    ("O6-dampening-in-the-first-step", N_("dampening already applies in the first step. There the buffer is the gradient itself; only later is g multiplied by 1 - dampening."), _momentum(first=lambda g, c: (1 - c.dampening) * g)),
    ("O6-dampening-on-the-buffer", N_("dampening multiplies the old buffer too. It weighs only the new gradient: momentum * buf + (1 - dampening) * g."), _momentum(later=lambda buf, g, c: (1 - c.dampening) * (c.momentum * buf + g))),
]  # fmt: skip

NESTEROV: list[Entry] = [
    ("O8-no-look-ahead", N_("this is plain momentum: the parameter moves by lr * buf (looking ahead with the buffer from before the step comes to the same). Update buf first, then move by lr * (g + momentum * buf)."), _nesterov(move=lambda g, buf, old, c: c.lr * buf)),
    ("O7-without-the-look-ahead", N_("this is the form of Sutskever's paper, v = momentum * v - lr * g and param + v, whose gradient is taken elsewhere, ahead of param. In PyTorch param is the point ahead: move it by lr * (g + momentum * buf)."), _nesterov(**LR_INSIDE, move=lambda g, buf, old, c: buf)),
    ("O4-lr-in-the-buffer", N_("the learning rate is inside the velocity, as in Keras. PyTorch keeps it out of the buffer, param - lr * (g + momentum * buf): the two part when lr changes."), _nesterov(**LR_INSIDE, move=lambda g, buf, old, c: c.lr * g + c.momentum * buf)),
    ("O8-buffer-twice", N_("the step is (1 + momentum) * buf. It should be g + momentum * buf: the look-ahead adds the new gradient, not the whole buffer, once more."), _nesterov(move=lambda g, buf, old, c: c.lr * (1 + c.momentum) * buf)),
    ("O8-momentum-squared", N_("momentum is applied twice in the look-ahead: g + momentum**2 * buf. It should be g + momentum * buf, with the new buffer."), _nesterov(move=lambda g, buf, old, c: c.lr * (g + c.momentum**2 * buf))),
    ("O3-moving-average", EMA, _nesterov(**AVERAGE)),
    ("O9-decay-forgotten-in-the-look-ahead", N_("the look-ahead uses the gradient without weight decay, the buffer the one with it. Start with g = grad + weight_decay * param and use g in both places."), _nesterov(move=lambda g, buf, old, c: c.lr * (g - c.weight_decay * c.param + c.momentum * buf))),
]  # fmt: skip


# -- AdaGrad, RMSProp --------------------------------------------------------------------------


def _adagrad(**changes: Any) -> Step:
    return sound("adagrad", family=rules.adagrad(**changes))


def _rmsprop(**changes: Any) -> Step:
    return sound("rmsprop", family=rules.rmsprop(**changes))


INSIDE = N_(
    "eps is inside the root, sqrt(... + eps), as in Keras and d2l. PyTorch adds it outside, sqrt(...) + eps: for small gradients that is a different step."
)
PRECEDENCE = N_(
    "eps is added to the quotient: lr * g / sqrt(...) + eps lacks parentheses. Divide by (sqrt(...) + eps)."
)
NO_ROOT = N_(
    "the step is divided by the sum or average of squares itself. Divide by its root: the step should not depend on the scale of the gradient."
)
SUMMED = N_(
    "squares are summed over the whole array, so all elements share one step size. Square element by element: g * g."
)

ADAGRAD: list[Entry] = [
    ("O27-not-squared", N_("gradients are added up as they are: positive and negative ones cancel, and the root of a negative sum is NaN. Add g * g."), _adagrad(add=lambda s, g, c: s + g)),
    ("O27-absolute-values", N_("absolute values are added up. Add squares, g * g."), _adagrad(add=lambda s, g, c: s + np.abs(g))),
    ("O27-forgets-like-rmsprop", N_("the sum of squares is a moving average (that is RMSProp). AdaGrad adds: s + g * g, and never forgets."), _adagrad(add=lambda s, g, c: 0.9 * s + 0.1 * g * g)),
    ("O27-starts-at-0.1", N_("the sum of squares starts at 0.1, as in Keras. PyTorch starts at 0."), _adagrad(start=0.1)),
    ("O27-lr-decay-counts-from-one", N_("lr_decay is already at work in the first step. The learning rate of step t is lr / (1 + (t - 1) * lr_decay): the first uses lr itself."), _adagrad(rate=lambda t, c: c.lr / (1 + t * c.lr_decay))),
    ("O19-eps-inside", INSIDE, _adagrad(root=lambda s, c: np.sqrt(s + c.eps))),
    ("O20-eps-outside", PRECEDENCE, _adagrad(root=lambda s, c: np.sqrt(s), move=lambda g, root, rate, c: rate * g / root + c.eps)),
    ("O21-summed", SUMMED, _adagrad(add=lambda s, g, c: s + np.sum(g * g))),
    ("O27-no-root", NO_ROOT, _adagrad(root=lambda s, c: s + c.eps)),
]  # fmt: skip

RMSPROP: list[Entry] = [
    ("O28-starts-at-the-first-square", N_("the average starts at the first g**2. PyTorch starts from zero: v = (1 - alpha) * g**2 in the first step, a tenth in size under the root at alpha = 0.99."), _rmsprop(add=lambda v, g, c: g * g if v is None else average(v, g * g, c.alpha))),
    ("O28-adds-like-adagrad", N_("squares are added up without forgetting (that is AdaGrad). RMSProp averages: alpha * v + (1 - alpha) * g**2."), _rmsprop(add=lambda v, g, c: (0 if v is None else v) + g * g)),
    ("O28-corrects-bias", N_("v is divided by 1 - alpha**t, as in Adam. RMSProp uses the average as it is."), _rmsprop(root=lambda v, c: np.sqrt(v / (1 - c.alpha**c.t)) + c.eps)),
    ("O18-weights-swapped", N_("alpha and 1 - alpha are exchanged. alpha is what is kept of the old average: alpha * v + (1 - alpha) * g**2."), _rmsprop(add=lambda v, g, c: average(v, g * g, 1 - c.alpha))),
    ("O21-not-squared", N_("v averages absolute values of the gradient. Average squares: (1 - alpha) * g * g."), _rmsprop(add=lambda v, g, c: average(v, np.abs(g), c.alpha))),
    ("O21-summed", SUMMED, _rmsprop(add=lambda v, g, c: average(v, np.sum(g * g), c.alpha))),
    ("O19-eps-inside", INSIDE, _rmsprop(root=lambda v, c: np.sqrt(v + c.eps))),
    ("O20-eps-outside", PRECEDENCE, _rmsprop(root=lambda v, c: np.sqrt(v), divide=lambda g, root, c: g / root + c.eps / c.lr)),
    ("O28-no-root", NO_ROOT, _rmsprop(root=lambda v, c: v + c.eps)),
    ("O28-lr-in-the-buffer", N_("with momentum, the learning rate is inside the buffer. PyTorch keeps it out, buf = momentum * buf + g / (root + eps) and param - lr * buf: the two part when lr changes."), _rmsprop(buffer=lambda buf, d, c: c.momentum * buf + c.lr * d, move=lambda buf, c: buf)),
    ("O28-momentum-averages", N_("with momentum, the buffer is a moving average. PyTorch adds the whole step: buf = momentum * buf + g / (root + eps)."), _rmsprop(buffer=lambda buf, d, c: average(buf, d, c.momentum))),
    ("O28-mean-not-squared", N_("centered subtracts the average gradient itself. Subtract its square: v - a**2 is a variance."), _rmsprop(center=lambda v, a, c: v - a)),
]  # fmt: skip


# -- Adam and its relatives --------------------------------------------------------------------

SQUARE = N_(
    "the correction has beta**2 in every step. The exponent is the number of the step: 1 - beta**t."
)
PRODUCT = N_("the correction is 1 - beta * t. It should be a power, 1 - beta**t.")
CORRECTIONS: list[tuple[str, str, Any]] = [
    ("O12-no-correction", N_("the moving averages are used as they are. Both start from zero and are too small at first: divide m by 1 - beta1**t and v by 1 - beta2**t."), lambda b1, b2, t: (1, 1)),
    ("O12-m-not-corrected", N_("m is not corrected for its start from zero. Divide it by 1 - beta1**t."), lambda b1, b2, t: (1, 1 - b2**t)),
    ("O12-v-not-corrected", N_("v is not corrected for its start from zero. Divide it by 1 - beta2**t before taking the root."), lambda b1, b2, t: (1 - b1**t, 1)),
    ("O16-m-by-beta2", N_("m is divided by 1 - beta2**t, but it was averaged with beta1: in the first step that is 1 / 0.001 instead of 1 / 0.1. Each average is corrected with its own beta."), lambda b1, b2, t: (1 - b2**t, 1 - b2**t)),
    ("O16-v-by-beta1", N_("v is divided by 1 - beta1**t, but it was averaged with beta2. Each average is corrected with its own beta."), lambda b1, b2, t: (1 - b1**t, 1 - b1**t)),
    ("O17-square", SQUARE, lambda b1, b2, t: (1 - b1**2, 1 - b2**2)),
    ("O17-square", SQUARE, lambda b1, b2, t: (1 - b1**2, 1 - b2**t)),
    ("O17-product", PRODUCT, lambda b1, b2, t: (1 - b1 * t, 1 - b2 * t)),
    ("O17-product", PRODUCT, lambda b1, b2, t: (1 - b1 * t, 1 - b2**t)),
]  # fmt: skip
"""Wrong bias corrections: what m and v are divided by, from beta1, beta2 and t."""

COUNTS: list[tuple[str, str, dict[str, Any]]] = [
    ("O13-t-starts-at-zero", N_("t is 0 in the first step, where 1 - beta**0 = 0 divides by zero. Count the step first: t = state.get('t', 0) + 1."), {"start": -1}),
    ("O13-t-starts-at-two", N_("t is 2 in the first step (an early CS231n assignment started it at 1 and counted before use). Count from 1: t = state.get('t', 0) + 1."), {"start": 1}),
    ("O14-t-always-one", N_("the correction is that of the first step in every step: t is not stored (or beta stands without its exponent). Keep t in the state that you return, and count it up."), {"count": lambda t: 1}),
]  # fmt: skip

COUNTED_TOGETHER = N_(
    "t counts the calls for all parameters together (a global variable?), so it grows too fast. Each parameter's state has its own count."
)
WEIGHTS_SWAPPED = N_(
    "beta and 1 - beta are exchanged in the moving averages. beta is what is kept of the old value: beta * m + (1 - beta) * g."
)
BETAS_SWAPPED = N_(
    "beta1 and beta2 are exchanged: beta1 belongs to m, the average gradient, and beta2 to v, that of the squares."
)


def _swapped(old: Any, new: Any, beta: float) -> Any:
    return average(old, new, 1 - beta)


def _betas_swapped(step: Step) -> Step:
    def wrong(param: Any, grad: Any, state: Any, lr: float, **options: Any) -> Any:
        betas = options.pop("betas", rules.BETAS["betas"])
        return step(param, grad, state, lr, betas=betas[::-1], **options)

    return wrong


def _keep_corrected(s: SimpleNamespace, m: Any, v: Any, c1: float, c2: float) -> None:
    s.m, s.v = m / c1, v / c2


def counted(name: str) -> list[Entry]:
    """Return the mistakes of every optimizer that needs the number of the step and two betas."""
    return [
        *((id, says, sound(name, **how)) for id, says, how in COUNTS),
        ("O15-t-counts-all-parameters", COUNTED_TOGETHER, rules.shares_count(sound(name))),
        ("O18-betas-swapped", BETAS_SWAPPED, _betas_swapped(sound(name))),
    ]


def adams(name: str) -> list[Entry]:
    """Return the mistakes of Adam, which AdamW can have as well."""

    def changed(**changes: Any) -> Step:
        return sound(name, family=rules.adam(**changes))

    return [
        *((id, says, changed(correct=how)) for id, says, how in CORRECTIONS),
        ("O18-weights-swapped", WEIGHTS_SWAPPED, changed(first=_swapped, second=lambda v, g, b: _swapped(v, g * g, b))),
        ("O19-eps-inside", N_("eps is inside the root, sqrt(v_hat + eps). It belongs outside, sqrt(v_hat) + eps: for small gradients that is a different step."), changed(move=lambda m, v, c1, c2, c: c.lr * (m / c1) / (v / c2 + c.eps) ** 0.5)),
        ("O19-eps-hat", N_("eps is added to the root of the uncorrected v (the short form at the end of the paper's section 2, which Keras uses). PyTorch corrects v first: sqrt(v / (1 - beta2**t)) + eps."), changed(move=lambda m, v, c1, c2, c: c.lr * c2**0.5 / c1 * m / (v**0.5 + c.eps))),
        ("O20-eps-outside", N_("eps is added to the quotient: lr * m_hat / sqrt(v_hat) + eps lacks parentheses. Divide by (sqrt(v_hat) + eps)."), changed(move=lambda m, v, c1, c2, c: c.lr * (m / c1) / (v / c2) ** 0.5 + c.eps)),
        ("O21-not-squared", N_("v averages absolute values of the gradient. Average squares: beta2 * v + (1 - beta2) * g * g."), changed(second=lambda v, g, b: average(v, np.abs(g), b))),
        ("O21-square-of-the-sum", N_("v averages the square of the summed gradient, one number for the whole array. Square element by element: g * g."), changed(second=lambda v, g, b: average(v, g * 0 + np.sum(g) ** 2, b))),
        ("O21-no-root", N_("the step is divided by v_hat itself. Divide by its root, sqrt(v_hat) + eps."), changed(move=lambda m, v, c1, c2, c: c.lr * (m / c1) / (v / c2 + c.eps))),
        ("O21-gradient-instead-of-m", N_("the step uses the gradient where m_hat belongs, so the average m has no effect (that is RMSProp with correction)."), changed(first=lambda m, g, b: g, correct=lambda b1, b2, t: (1, 1 - b2**t))),
        ("O22-corrected-values-kept", N_("the corrected m_hat and v_hat are stored in the state, so the next step corrects them again. Store m and v themselves."), changed(keep=_keep_corrected)),
        *counted(name),
    ]  # fmt: skip


ADAM_ONLY: list[Entry] = [
    ("O31-maximum-of-corrected", N_("amsgrad takes the maximum of the corrected v_hat. PyTorch takes it of v itself and corrects afterwards: sqrt(max_v / (1 - beta2**t)) + eps."), sound("adam", family=rules.adam(largest=lambda old, v, c2: (v / c2 if old is None else np.maximum(old, v / c2), 1)))),
    ("O31-maximum-replaces-v", N_("with amsgrad the maximum is stored as v, so the average goes on from it. Keep two arrays: v, and the largest v so far."), sound("adam", family=rules.adam(keep=lambda s, m, v, c1, c2: setattr(s, "v", v)))),
]  # fmt: skip

ADAMW_ONLY: list[Entry] = [
    ("O11-l2-instead-of-decoupled", N_("this is Adam with L2: weight_decay * param goes through the averages. AdamW keeps it out of the gradient: first param * (1 - lr * weight_decay), then Adam's step."), sound("adamw", decay=rules.l2)),
    ("O11-decay-without-lr", N_("the decay is not multiplied by the learning rate. PyTorch's AdamW starts with param * (1 - lr * weight_decay)."), sound("adamw", decay=lambda p, g, c: (p * (1 - c.weight_decay), g))),
    ("O11-decays-after-the-step", N_("the parameter decays after the step, so the step itself is shrunk too. Decay first: param * (1 - lr * weight_decay), then subtract Adam's step."), sound("adamw", decay=rules.no_decay, finish=lambda p, c: p * (1 - c.lr * c.weight_decay))),
    ("O11-weight-decay-ignored", N_("weight_decay has no effect. Multiply param by 1 - lr * weight_decay before Adam's step; its default is 0.01."), sound("adamw", decay=rules.no_decay)),
    ("O11-weight-decay-grows", N_("weight decay has the wrong sign, so weights grow. Multiply param by 1 - lr * weight_decay."), sound("adamw", decay=lambda p, g, c: (p * (1 + c.lr * c.weight_decay), g))),
]  # fmt: skip


def _adamax(**changes: Any) -> Step:
    return sound("adamax", family=rules.adamax(**changes))


ADAMAX: list[Entry] = [
    ("O29-no-absolute-value", N_("u is the maximum of beta2 * u and the gradient with its sign, so negative gradients are not seen. Take np.maximum(beta2 * u, np.abs(g) + eps)."), _adamax(bound=lambda u, g, b, eps: np.maximum(b * u, g + eps))),
    ("O29-root", N_("the step is divided by sqrt(u). u is a size already, not a square: divide by u itself."), _adamax(move=lambda m, u, c1, t, c: c.lr / c1 * m / np.sqrt(u))),
    ("O29-corrects-u", N_("u is divided by 1 - beta2**t. A maximum is not biased towards its start from zero: only m is corrected."), _adamax(move=lambda m, u, c1, t, c: c.lr / c1 * m / (u / (1 - c.betas[1] ** t)))),
    ("O29-eps-after-the-maximum", N_("eps is added after the maximum (m / (u + eps)), as in Keras. PyTorch adds it inside: u = max(beta2 * u, |g| + eps), then m / u."), _adamax(bound=lambda u, g, b, eps: np.maximum(b * u, np.abs(g)), move=lambda m, u, c1, t, c: c.lr / c1 * m / (u + c.eps))),
    ("O29-average-instead-of-maximum", N_("u is a moving average of |g|. AdaMax takes the maximum: u = max(beta2 * u, |g| + eps)."), _adamax(bound=lambda u, g, b, eps: average(u, np.abs(g) + eps, b))),
    ("O29-maximum-does-not-decay", N_("the maximum of all |g| so far never falls: beta2 is missing. Take np.maximum(beta2 * u, np.abs(g) + eps)."), _adamax(bound=lambda u, g, b, eps: np.maximum(u, np.abs(g) + eps))),
    ("O12-no-correction", N_("m is not corrected for its start from zero. Divide it by 1 - beta1**t."), _adamax(correct=lambda b1, b2, t: 1)),
    ("O16-m-by-beta2", N_("m is divided by 1 - beta2**t, but it was averaged with beta1. Correct it with its own beta."), _adamax(correct=lambda b1, b2, t: 1 - b2**t)),
    ("O17-square", N_("the correction has beta1**2 in every step. The exponent is the number of the step: 1 - beta1**t."), _adamax(correct=lambda b1, b2, t: 1 - b1**2)),
    ("O18-weights-swapped", WEIGHTS_SWAPPED, _adamax(first=_swapped)),
]  # fmt: skip


def _nadam(**changes: Any) -> Step:
    return sound("nadam", family=rules.nadam(**changes))


NADAM: list[Entry] = [
    ("O30-no-product", N_("beta1**t stands where the product of all mu so far belongs. The mu change from step to step: multiply them up, P = P * mu, and keep P in the state."), _nadam(product=lambda old, mu, b1, t: b1**t)),
    ("O30-mu-of-this-step", N_("m is weighted with the mu of this step. It is the look-ahead: it takes the mu of the next one, t + 1, there and in its denominator 1 - P * mu."), _nadam(following=lambda now, after: now)),
    ("O30-next-mu-not-in-the-product", N_("the weight of m is divided by 1 - P. Its product goes one step further: divide by 1 - P * mu, with the mu of the next step."), _nadam(weights=lambda mu, after, p: ((1 - mu) / (1 - p), after / (1 - p)))),
    ("O30-decay-per-step", N_("the power of 0.96 does not contain momentum_decay: this is Keras's schedule, 0.96**t. PyTorch's is 0.96**(t * momentum_decay)."), rules.ignores(sound("nadam", family=rules.nadam(mu=lambda b1, t, psi: b1 * (1 - 0.5 * 0.96**t))), "momentum_decay")),
    ("O30-momentum-decay-fixed", N_("the argument momentum_decay has no effect: is 0.004 written in its place? Use the value that is passed."), rules.ignores(sound("nadam"), "momentum_decay")),
    ("O30-constant-mu", N_("mu is beta1 in every step, as in simplified accounts of NAdam. Here it grows: beta1 * (1 - 0.5 * 0.96**(t * momentum_decay))."), _nadam(mu=lambda b1, t, psi: b1)),
    ("O30-simplified", N_("this is the simplified form of many blog posts, beta1 * m_hat + (1 - beta1) * g / (1 - beta1**t). The paper and PyTorch have a mu of each step and the product of them."), _nadam(mu=lambda b1, t, psi: b1, weights=lambda mu, after, p: ((1 - mu) / (1 - p), after / (1 - p)))),
    ("O30-no-look-ahead", N_("the weights of m and g are those of plain Adam: m / (1 - beta1**t), without the gradient. NAdam adds (1 - mu) / (1 - P) * g and weighs m with the next mu."), _nadam(weights=lambda mu, after, p: (0, 1 / (1 - p)), product=lambda old, mu, b1, t: b1**t)),
    ("O12-v-not-corrected", N_("v is not corrected for its start from zero. Divide it by 1 - beta2**t before taking the root."), _nadam(correct=lambda b2, t: 1)),
    ("O18-weights-swapped", WEIGHTS_SWAPPED, _nadam(first=_swapped, second=lambda v, g, b: _swapped(v, g * g, b))),
    ("O19-eps-inside", INSIDE, _nadam(root=lambda v, eps: (v + eps) ** 0.5)),
    ("O21-not-squared", N_("v averages absolute values of the gradient. Average squares: beta2 * v + (1 - beta2) * g * g."), _nadam(second=lambda v, g, b: average(v, np.abs(g), b))),
]  # fmt: skip


# -- per student function ----------------------------------------------------------------------


def entries(name: str) -> list[Entry]:
    """Return the catalogue of one optimizer: its own mistakes first, then those of all."""
    own: dict[str, list[Entry]] = {
        "sgd": [],
        "momentum": MOMENTUM,
        "nesterov": NESTEROV,
        "adagrad": ADAGRAD,
        "rmsprop": RMSPROP,
        "adam": [*adams("adam"), *ADAM_ONLY],
        "adamax": [*ADAMAX, *counted("adamax")],
        "nadam": [*NADAM, *counted("nadam")],
        "adamw": [*ADAMW_ONLY, *adams("adamw")],
    }
    return [*own[name], *shared(name)]
