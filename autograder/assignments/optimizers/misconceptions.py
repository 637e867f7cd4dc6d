"""What do people get wrong about optimizers, clipping and schedules?

The catalogue per check, from the rows of :mod:`.wrong_steps`, :mod:`.wrong_clipping` and
:mod:`.wrong_schedules`. Nothing is cached: some wrong steps keep something outside of their state, and
begin anew with every catalogue.

Not in it, because no function of the assignment can show it: gradients that are not reset between batches
and a step outside of the batch loop (O33); a schedule stepped before the optimizer and momentum that runs
with the learning rate (O34); a step count per epoch (O15); an id of an array as the key of its state
(O23), since every step returns a new array; deeplearning.ai's lambda / m (O10), as no function knows m.
"""

from __future__ import annotations

from collections.abc import Iterable

from autograder.assignments.optimizers import wrong_clipping, wrong_schedules, wrong_steps
from autograder.assignments.optimizers.wrong_steps import Entry
from autograder.engine.declare import Misconception

Catalogue = tuple[Misconception, ...]


def _catalogue(entries: Iterable[Entry]) -> Catalogue:
    return tuple(Misconception(id, says, (function,)) for id, says, function in entries)


def of_sgd() -> Catalogue:
    """Return the entries that ``sgd`` can show."""
    return _catalogue(wrong_steps.entries("sgd"))


def of_momentum() -> Catalogue:
    """Return the entries that ``momentum`` can show."""
    return _catalogue(wrong_steps.entries("momentum"))


def of_nesterov() -> Catalogue:
    """Return the entries that ``nesterov`` can show."""
    return _catalogue(wrong_steps.entries("nesterov"))


def of_adagrad() -> Catalogue:
    """Return the entries that ``adagrad`` can show."""
    return _catalogue(wrong_steps.entries("adagrad"))


def of_rmsprop() -> Catalogue:
    """Return the entries that ``rmsprop`` can show."""
    return _catalogue(wrong_steps.entries("rmsprop"))


def of_adam() -> Catalogue:
    """Return the entries that ``adam`` can show."""
    return _catalogue(wrong_steps.entries("adam"))


def of_adamax() -> Catalogue:
    """Return the entries that ``adamax`` can show."""
    return _catalogue(wrong_steps.entries("adamax"))


def of_nadam() -> Catalogue:
    """Return the entries that ``nadam`` can show."""
    return _catalogue(wrong_steps.entries("nadam"))


def of_adamw() -> Catalogue:
    """Return the entries that ``adamw`` can show."""
    return _catalogue(wrong_steps.entries("adamw"))


def of_published_adam() -> Catalogue:
    """Return the entries that Adam without amsgrad can show."""
    return tuple(m for m in of_adam() if "amsgrad" not in m.says)


def of_clip_by_value() -> Catalogue:
    """Return the entries that ``clip_by_value`` can show."""
    return _catalogue(wrong_clipping.BY_VALUE)


def of_clip_by_norm() -> Catalogue:
    """Return the entries that ``clip_by_norm`` can show."""
    return _catalogue(wrong_clipping.BY_NORM)


def of_power_decay() -> Catalogue:
    """Return the entries that ``power_decay`` can show."""
    return _catalogue(wrong_schedules.POWER)


def of_exponential_decay() -> Catalogue:
    """Return the entries that ``exponential_decay`` can show."""
    return _catalogue(wrong_schedules.EXPONENTIAL)


def of_piecewise_constant() -> Catalogue:
    """Return the entries that ``piecewise_constant`` can show."""
    return _catalogue(wrong_schedules.PIECEWISE)


def of_one_cycle() -> Catalogue:
    """Return the entries that ``one_cycle`` can show."""
    return _catalogue(wrong_schedules.ONE_CYCLE)


def of_reduce_on_plateau() -> Catalogue:
    """Return the entries that ``reduce_on_plateau`` can show."""
    return _catalogue(wrong_schedules.plateau_entries())


NOT_TOLD_BY_TRAINING = (
    "A-", "O4-", "O6-", "O9-", "O10-", "O24-", "O25-", "O26-", "O31-",
    "O28-lr-in-the-buffer", "O28-momentum-averages", "O28-mean-not-squared",
    "O5-",  # the same as O1 while lr is constant
    "O13-t-starts-at-zero", "O17-product", "O20-",  # NaN, each of them
)  # fmt: skip
"""How ids begin of what shows only with other arguments than the defaults, with a learning rate that
changes, or in the caller's arrays; and of what looks in a trained network like something else."""


def of_training(name: str) -> Catalogue:
    """Return the entries of the optimizer ``name`` that a trained network tells apart."""
    entries = _catalogue(wrong_steps.entries(name))
    return tuple(m for m in entries if not m.id.startswith(NOT_TOLD_BY_TRAINING))
