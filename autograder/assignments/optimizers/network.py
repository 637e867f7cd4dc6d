"""What runs beside the student's optimizer, for it is called again and again? Without torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.training import Array, Parameters, Recipe, train_mlp


def train(
    update: Callable[..., Any], x: Array, y: Array, recipe: dict[str, Any], steps: int | None = None
) -> Parameters:
    """Train with the student's ``update(param, grad, state, lr)`` and return the parameters.

    ``steps`` ends the training after so many steps instead of after the epochs of the recipe.
    """
    return train_mlp(x, y, Recipe.of(recipe), update=update, steps=steps)


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
    state: Any = {}
    results: list[Any] = []
    for grad, lr in zip(grads, rates, strict=True):
        result = update(param.copy(), np.asarray(grad).copy(), copy.deepcopy(state), lr, **options)
        is_pair = isinstance(result, tuple) and len(result) == 2
        results.append((result[0], None) if is_pair else result)
        if not is_pair or not isinstance(result[0], np.ndarray | np.generic):
            break
        param, state = np.array(result[0]), result[1]
    return results
