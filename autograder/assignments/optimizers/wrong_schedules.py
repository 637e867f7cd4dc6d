"""What do people get wrong about learning-rate schedules? Entries of the catalogue: id, sentence, function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autograder.engine.messages import N_

Schedule = Callable[..., Any]
Entry = tuple[str, str, Schedule]

ONE_TOO_MANY = N_(
    "everything comes one step too early: the step is counted from 1. Step 0 is the first one."
)

POWER: list[Entry] = [
    ("O35-staircase", N_("step // s cuts off the fraction, so the rate falls in steps. Use step / s."), lambda step, lr0, s, c=1.0: lr0 / (1 + step // s) ** c),
    ("O35-no-one", N_("the 1 + is missing: lr0 / (step / s)**c divides by zero at step 0. It is lr0 / (1 + step / s)**c."), lambda step, lr0, s, c=1.0: lr0 / (step / s) ** c if step else math.inf),
    ("O35-s-as-a-rate", N_("s multiplies the step, as decay does in Keras's lr0 / (1 + decay * step). Here the step is divided by s."), lambda step, lr0, s, c=1.0: lr0 / (1 + step * s) ** c),
    ("O35-c-ignored", N_("c has no effect. It is a power: (1 + step / s)**c."), lambda step, lr0, s, c=1.0: lr0 / (1 + step / s)),
    ("O35-c-multiplies", N_("c multiplies. It is a power: (1 + step / s)**c."), lambda step, lr0, s, c=1.0: lr0 / (1 + c * step / s)),
    ("O35-power-of-the-fraction", N_("the power is taken of step / s only. It is that of the whole parenthesis: (1 + step / s)**c."), lambda step, lr0, s, c=1.0: lr0 / (1 + (step / s) ** c)),
    ("O35-grows", N_("the rate grows: (1 + step / s)**c multiplies lr0. Divide by it."), lambda step, lr0, s, c=1.0: lr0 * (1 + step / s) ** c),
    ("O35-exponential", N_("the rate halves every s steps: that is exponential decay. lr0 / (1 + step / s)**c falls to 1/2, 1/3, 1/4 of lr0."), lambda step, lr0, s, c=1.0: lr0 * 0.5 ** (c * step / s)),
    ("O35-counts-from-one", ONE_TOO_MANY, lambda step, lr0, s, c=1.0: lr0 / (1 + (step + 1) / s) ** c),
]  # fmt: skip

EXPONENTIAL: list[Entry] = [
    ("O35-staircase", N_("step // s cuts off the fraction, so the rate falls once every s steps (Keras's staircase=True). Use step / s: it falls a little in every step."), lambda step, lr0, s: lr0 * 0.1 ** (step // s)),
    ("O35-base-e", N_("the rate falls by a factor of e every s steps. Here it is 10: lr0 * 0.1**(step / s)."), lambda step, lr0, s: lr0 * math.exp(-step / s)),
    ("O35-base-two", N_("the rate halves every s steps. Here it falls to a tenth: lr0 * 0.1**(step / s)."), lambda step, lr0, s: lr0 * 0.5 ** (step / s)),
    ("O35-grows", N_("the rate grows by a factor of 10 every s steps. The base is 0.1, or the exponent -step / s."), lambda step, lr0, s: lr0 * 10 ** (step / s)),
    ("O35-upside-down", N_("the exponent is s / step. It is step / s: after s steps the power is 1."), lambda step, lr0, s: lr0 * (0.1 ** (s / step) if step else 0.0)),
    ("O35-every-step", N_("the rate falls by a factor of 10 in every step: s is missing. Divide the step by it, 0.1**(step / s)."), lambda step, lr0, s: lr0 * 0.1**step),
    ("O35-product", N_("0.1 is multiplied by step / s. It is a power: 0.1**(step / s)."), lambda step, lr0, s: lr0 * 0.1 * step / s),
    ("O35-counts-from-one", ONE_TOO_MANY, lambda step, lr0, s: lr0 * 0.1 ** ((step + 1) / s)),
]  # fmt: skip


def _piece(step: int, boundaries: Sequence[int]) -> int:
    return sum(step >= b for b in boundaries)


def _first_piece(step: int, boundaries: Sequence[int], values: Sequence[float]) -> float:
    """Stop at the first boundary that was reached."""
    for boundary, value in zip(boundaries, values[1:], strict=True):
        if step >= boundary:
            return value
    return values[0]


PIECEWISE: list[Entry] = [
    ("O37-old-value-at-the-boundary", N_("at a boundary the old value still holds (step <= boundary), as in Keras's PiecewiseConstantDecay. In MultiStepLR the new value begins there: count the boundaries with boundary <= step."), lambda step, boundaries, values: values[sum(step > b for b in boundaries)]),
    ("O37-compounded", N_("values are multiplied with each other, as gamma is in MultiStepLR. Here each value is the learning rate itself."), lambda step, boundaries, values: math.prod(values[: _piece(step, boundaries) + 1])),
    ("O37-factors", N_("values are taken as factors of the first one. Here each value is the learning rate itself."), lambda step, boundaries, values: values[0] * (values[_piece(step, boundaries)] if _piece(step, boundaries) else 1.0)),
    ("O37-stops-at-the-first-boundary", N_("the second value stays for ever: the search stops at the first boundary that was reached. Look for the last one, or count how many were reached."), _first_piece),
    ("O37-lengths", N_("boundaries are taken as lengths of the pieces, one after the other. They are step numbers, counted from the beginning."), lambda step, boundaries, values: values[_piece(step, [sum(boundaries[: i + 1]) for i in range(len(boundaries))])]),
    ("O37-one-piece-behind", N_("the value of the piece before is used: values[i - 1] where values[i] belongs. With no boundary reached it is values[0], after the first values[1]."), lambda step, boundaries, values: values[max(0, _piece(step, boundaries) - 1)]),
    ("O37-last-value-missing", N_("the last value is never reached. There is one value more than boundaries: it holds from the last boundary on."), lambda step, boundaries, values: values[min(_piece(step, boundaries), len(values) - 2)]),
    ("O37-interpolates", N_("the rate moves in a line from one value to the next. It is constant between boundaries."), lambda step, boundaries, values: _interpolated(step, boundaries, values)),
    ("O37-boundary-early", N_("a new value comes one step before its boundary. It begins at the step that the boundary names."), lambda step, boundaries, values: values[_piece(step + 1, boundaries)]),
]  # fmt: skip


def _interpolated(step: int, boundaries: Sequence[int], values: Sequence[float]) -> float:
    i = _piece(step, boundaries)
    if i == len(boundaries):
        return values[-1]
    start = boundaries[i - 1] if i else 0
    share = (step - start) / (boundaries[i] - start)
    return values[i] + share * (values[i + 1] - values[i])


# -- one cycle ---------------------------------------------------------------------------------


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _one_cycle(
    shape: Callable[[float, float, float], float] = _cosine,
    peak: Callable[[float, int], float] = lambda pct, total: pct * total - 1,
    last: Callable[[int], float] = lambda total: total - 1,
    initial: Callable[[float, float], float] = lambda top, div: top / div,
    final: Callable[[float, float, float], float] = lambda top, div, final_div: (
        top / div / final_div
    ),
    way_down: Callable[[float, float, float], float] | None = None,
    at: Callable[[int], float] = lambda step: step,
    check: bool = True,
    ignored: Mapping[str, float] | None = None,
) -> Schedule:
    """Return the schedule of ``OneCycleLR`` with changes."""

    def one_cycle(
        step: int, total_steps: int, max_lr: float, pct_start: float = 0.3,
        div_factor: float = 25.0, final_div_factor: float = 1e4,
    ) -> float:  # fmt: skip
        if check and not 0 <= step < total_steps:
            raise ValueError("step is outside of the cycle")
        fixed = ignored or {}
        div = fixed.get("div_factor", div_factor)
        start = initial(max_lr, div)
        end = final(max_lr, div, fixed.get("final_div_factor", final_div_factor))
        top, stop = peak(fixed.get("pct_start", pct_start), total_steps), last(total_steps)
        now = at(step)
        if now <= top:
            return shape(start, max_lr, now / top) if top else max_lr
        return (way_down or shape)(max_lr, end, (now - top) / (stop - top))

    return one_cycle


def _three_phases(step: int, total_steps: int, max_lr: float, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4) -> float:  # fmt: skip
    """Go up, down as far again, and only then to the end, as ``three_phase=True`` does."""
    if not 0 <= step < total_steps:
        raise ValueError("step is outside of the cycle")
    start, top = max_lr / div_factor, pct_start * total_steps - 1
    bottom = 2 * pct_start * total_steps - 2
    if step <= top:
        return _cosine(start, max_lr, step / top)
    if step <= bottom:
        return _cosine(max_lr, start, (step - top) / (bottom - top))
    return _cosine(start, start / final_div_factor, (step - bottom) / (total_steps - 1 - bottom))


ONE_CYCLE: list[Entry] = [
    ("O34-starts-at-the-maximum", N_("the cycle starts at max_lr. It starts at max_lr / div_factor and reaches max_lr at step pct_start * total_steps - 1."), _one_cycle(initial=lambda top, div: top)),
    ("O34-ends-where-it-started", N_("the rate ends where it started, at max_lr / div_factor. It goes on down, to that divided by final_div_factor."), _one_cycle(final=lambda top, div, final_div: top / div)),
    ("O34-final-from-the-maximum", N_("final_div_factor divides max_lr. It divides the initial rate: the last one is max_lr / div_factor / final_div_factor."), _one_cycle(final=lambda top, div, final_div: top / final_div)),
    ("O34-ends-at-zero", N_("the rate ends at 0. It ends at max_lr / div_factor / final_div_factor."), _one_cycle(final=lambda top, div, final_div: 0.0)),
    ("O34-lines", N_("the rate goes up and down in lines, as in Smith's paper (anneal_strategy='linear'). Here both ways are half a cosine."), _one_cycle(shape=_line)),
    ("O34-cosine-only-down", N_("the way up is a line. Here both ways are half a cosine."), _one_cycle(shape=_line, way_down=_cosine)),
    ("O34-three-phases", N_("there are three phases: up, down to the start, and the end (three_phase=True in PyTorch, as in Smith's paper). Here the way down goes from max_lr to the end in one piece."), _three_phases),
    ("O34-peak-in-the-middle", N_("the peak is in the middle of the cycle. It is at step pct_start * total_steps - 1."), _one_cycle(ignored={"pct_start": 0.5})),
    ("O34-pct-start-ignored", N_("pct_start has no effect: is 0.3 written in its place? Use the value that is passed."), _one_cycle(ignored={"pct_start": 0.3})),
    ("O34-div-factor-ignored", N_("div_factor has no effect: is 25 written in its place? Use the value that is passed."), _one_cycle(ignored={"div_factor": 25.0})),
    ("O34-final-div-factor-ignored", N_("final_div_factor has no effect: is 1e4 written in its place? Use the value that is passed."), _one_cycle(ignored={"final_div_factor": 1e4})),
    ("O34-peak-one-step-late", N_("the peak comes one step late, at pct_start * total_steps. Steps count from 0, so it is at pct_start * total_steps - 1."), _one_cycle(peak=lambda pct, total: pct * total)),
    ("O34-end-one-step-late", N_("the end would be reached at step total_steps, which does not exist. The last step is total_steps - 1."), _one_cycle(last=lambda total: total)),
    ("O34-both-one-step-late", N_("peak and end lie one step late, at pct_start * total_steps and total_steps. Steps count from 0: subtract 1 from both."), _one_cycle(peak=lambda pct, total: pct * total, last=lambda total: total)),
    ("O34-quarter-cosine", N_("the cosine runs over a quarter of its period. Half of it, cos(0) to cos(pi), leads smoothly from one rate to the other: end + (start - end) / 2 * (1 + cos(pi * share))."), _one_cycle(shape=lambda start, end, share: end + (start - end) * math.cos(math.pi / 2 * share))),
    ("O34-no-error-beyond-the-end", N_("a step outside of 0 ... total_steps - 1 gets a learning rate. Raise a ValueError that names the step."), _one_cycle(check=False)),
]  # fmt: skip


# -- reduce on plateau -------------------------------------------------------------------------


def _plateau(
    better: Callable[[float, float, float], bool] = lambda loss, best, by: loss < best * (1 - by),
    too_many: Callable[[int, int], bool] = lambda bad, patience: bad > patience,
    lower: Callable[[float, float], float] = lambda lr, factor: lr * factor,
    next_best: Callable[[float, float, bool], float] = lambda loss, best, good: (
        loss if good else best
    ),
    bad_after_good: Callable[[int], int] = lambda bad: 0,
    bad_after_cut: Callable[[int], int] = lambda bad: 0,
    best_after_cut: Callable[[float, float], float] = lambda best, loss: best,
    fixed: Mapping[str, float] | None = None,
    in_place: bool = False,
    outside: dict[str, Any] | None = None,
) -> Schedule:
    """Return ``ReduceLROnPlateau`` as a function, with changes."""

    def reduce_on_plateau(
        lr: float, loss: float, state: dict[str, Any],
        factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
    ) -> Any:  # fmt: skip
        given = {"factor": factor, "patience": patience, "threshold": threshold, **(fixed or {})}
        held = state if outside is None else outside
        best, bad = held.get("best", math.inf), held.get("bad", 0)
        good = better(loss, best, given["threshold"])
        bad = bad_after_good(bad) if good else bad + 1
        best = next_best(loss, best, good)
        if too_many(bad, int(given["patience"])):
            lr, bad = lower(lr, given["factor"]), bad_after_cut(bad)
            best = best_after_cut(best, loss)
        new = {"best": best, "bad": bad}
        if in_place or outside is not None:
            held.update(new)
            return lr, state
        return lr, new

    return reduce_on_plateau


def _ignoring(argument: str, default: float) -> Schedule:
    return _plateau(fixed={argument: default})


def _when_it_falls(lr: float, loss: float, state: dict[str, Any], factor: float = 0.1, patience: int = 10, threshold: float = 1e-4) -> Any:  # fmt: skip
    """Count good epochs where bad ones are to be counted."""
    best, good = state.get("best", math.inf), state.get("bad", 0)
    better = loss < best * (1 - threshold)
    good = good + 1 if better else 0
    if good > patience:
        lr, good = lr * factor, 0
    return lr, {"best": min(best, loss), "bad": good}


def plateau_entries() -> list[Entry]:
    """Return the entries of ``reduce_on_plateau``; one of them keeps something between calls."""
    return [
        ("O36-one-epoch-early", N_("the rate falls with bad epoch number `patience`, as in Keras (>=). In PyTorch `patience` of them are forgiven: it falls when there are more (>)."), _plateau(too_many=lambda bad, patience: bad >= patience)),
        ("O36-one-epoch-early", N_("the rate falls with bad epoch number `patience`, as in Keras (>=). In PyTorch `patience` of them are forgiven: it falls when there are more (>)."), _plateau(too_many=lambda bad, patience: bad >= max(patience, 1))),
        ("O36-one-epoch-late", N_("the rate falls one epoch too late. It falls as soon as there are more than `patience` bad epochs in a row."), _plateau(too_many=lambda bad, patience: bad > patience + 1)),
        ("O36-when-the-loss-falls", N_("the rate is lowered while the loss still falls. It should be lowered when the loss has stopped falling: count the epochs without a better loss."), _when_it_falls),
        ("O36-absolute-threshold", N_("the threshold is subtracted from the best loss, as Keras's min_delta is. Here it is relative: loss < best * (1 - threshold)."), _plateau(better=lambda loss, best, by: loss < best - by)),
        ("O36-threshold-ignored", N_("threshold has no effect: any smaller loss counts as better. It must lie below best * (1 - threshold)."), _plateau(better=lambda loss, best, by: loss < best)),
        ("O36-threshold-fixed", N_("the argument threshold has no effect: is 1e-4 written in its place? Use the value that is passed."), _ignoring("threshold", 1e-4)),
        ("O36-every-smaller-loss-is-the-best", N_("best becomes the smallest loss so far even where that is not better by the threshold, so a slow fall always looks like a plateau. Keep best until a loss is below best * (1 - threshold)."), _plateau(next_best=lambda loss, best, good: min(loss, best))),
        ("O36-compares-with-the-last-loss", N_("a loss is compared with the one before it. Compare with the best loss so far, which the state keeps."), _plateau(next_best=lambda loss, best, good: loss)),
        ("O36-best-not-updated", N_("best stays at the first loss. A better loss becomes the new best."), _plateau(next_best=lambda loss, best, good: loss if best == math.inf else best)),
        ("O36-count-not-reset-by-a-better-loss", N_("a better loss does not end the count of bad epochs: they are to be counted in a row. Set the count to 0 there."), _plateau(bad_after_good=lambda bad: bad)),
        ("O36-count-not-reset-after-a-cut", N_("after the rate was lowered the count of bad epochs goes on, so it is lowered in every epoch. Set the count to 0."), _plateau(bad_after_cut=lambda bad: bad)),
        ("O36-best-forgotten-after-a-cut", N_("best is set anew when the rate is lowered. It stays the best loss so far."), _plateau(best_after_cut=lambda best, loss: math.inf)),
        ("O36-factor-subtracted", N_("the rate is lowered by a share: lr * (1 - factor). The new rate is lr * factor."), _plateau(lower=lambda lr, factor: lr * (1 - factor))),
        ("O36-divides", N_("the rate is divided by factor, so it grows. The new rate is lr * factor."), _plateau(lower=lambda lr, factor: lr / factor)),
        ("O36-factor-ignored", N_("the argument factor has no effect: is 0.1 written in its place? Use the value that is passed."), _ignoring("factor", 0.1)),
        ("O36-patience-ignored", N_("the argument patience has no effect: is 10 written in its place? Use the value that is passed."), _ignoring("patience", 10)),
        ("O24-changes-state", N_("the state that was passed in is modified. Build a new dict and return it."), _plateau(in_place=True)),
        ("O23-state-outside", N_("best loss and count are kept outside of the state (a global variable?), so a second training goes on where the first one ended. Keep them in the dict that you return."), _plateau(outside={})),
    ]  # fmt: skip
