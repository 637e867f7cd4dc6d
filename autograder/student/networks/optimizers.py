"""What runs beside the student's optimizer, for it is called again and again? Without torch."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograder.student.training import Array, Parameters, Recipe, train_mlp


def train(update: Callable[..., Any], x: Array, y: Array, recipe: dict[str, Any]) -> Parameters:
    """Train with the student's ``update(param, grad, state, lr)`` and return the parameters."""
    return train_mlp(x, y, Recipe.of(recipe), update=update)


def walk(
    update: Callable[..., Any],
    param: Array,
    grads: Array,
    rates: Sequence[float],
    options: dict[str, Any],
) -> list[Any]:
    """Take steps on copies, and return what ``update`` returned each time, without the state.

    Ends after a result that is not a pair of an array and a state.
    """
    return list(_steps(update, param, grads, rates, options))


def _steps(
    update: Callable[..., Any],
    param: Array,
    grads: Array,
    rates: Sequence[float],
    options: dict[str, Any],
) -> Iterator[Any]:
    state: Any = {}
    for grad, lr in zip(grads, rates, strict=True):
        result = update(param.copy(), np.asarray(grad).copy(), _copied(state), lr, **options)
        if not _is_step(result):
            yield _without_state(result)
            return
        param, state = np.array(result[0]), result[1]
        yield param, None


def _is_pair(result: Any) -> bool:
    return isinstance(result, tuple) and len(result) == 2


def _is_step(result: Any) -> bool:
    return _is_pair(result) and isinstance(result[0], np.ndarray | np.generic)


def _without_state(result: Any) -> Any:
    return (result[0], None) if _is_pair(result) else result


def _copied(state: Any) -> Any:
    """Return a deep copy; of a dict of arrays and numbers in a tenth of the time that ``deepcopy`` takes."""
    if type(state) is not dict or not all(type(v) in _PLAIN for v in state.values()):
        return copy.deepcopy(state)
    return {k: v.copy() if type(v) is np.ndarray else v for k, v in state.items()}


_PLAIN = (np.ndarray, np.float64, np.float32, float, int, bool, type(None))


def floats_and_integers(
    update: Callable[..., Any], param: Array, grad: Array, lr: float, options: dict[str, Any]
) -> tuple[Any, Any, bool]:
    """Take a first step from a parameter of integers, as floats and as they are.

    Returns what ``update`` returned for each, without the state, and whether it raised for integers.
    """
    floats = _without_state(update(param.astype(np.float64), grad.copy(), {}, lr, **options))
    try:
        integers = _without_state(update(param.copy(), grad.copy(), {}, lr, **options))
    except Exception:
        return floats, None, True
    return floats, integers, False


Walk = tuple[Array, Array]
"""The parameter that a walk starts with, and the gradient of each step."""


def walks(
    update: Callable[..., Any],
    starts: Sequence[Walk],
    rates: Sequence[float],
    options: dict[str, Any],
) -> tuple[list[list[Any]], list[list[Any]], list[list[Any]]]:
    """Walk from several starts: one after the other, then step by step in turn, then one after the other again.

    Returns what :func:`walk` returns for each start, of each of the three.
    """
    alone = [walk(update, param, grads, rates, options) for param, grads in starts]
    together = [_steps(update, param, grads, rates, options) for param, grads in starts]
    in_turn: list[list[Any]] = [[] for _ in starts]
    for _rate in rates:
        for results, steps in zip(in_turn, together, strict=True):
            results.extend(itertools.islice(steps, 1))
    again = [walk(update, param, grads, rates, options) for param, grads in starts]
    return alone, in_turn, again


def follow(
    schedule: Callable[..., Any], lr: float, losses: Sequence[float], options: dict[str, Any]
) -> list[Any]:
    """Call ``schedule(lr, loss, state, **options)`` for each loss, and return its results without the state.

    Ends after a result that is not a pair.
    """
    state: Any = {}
    results: list[Any] = []
    for loss in losses:
        result = schedule(lr, loss, _copied(state), **options)
        results.append(_without_state(result))
        if not _is_pair(result):
            break
        lr, state = result
    return results
