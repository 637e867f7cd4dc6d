"""How is a network trained with the student's optimizer? Runs beside the student's function, without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograder.training import Array, Parameters, Recipe, train_mlp


def train(
    update: Callable[..., Any], x: Array, y: Array, recipe: dict[str, Any], steps: int | None = None
) -> Parameters:
    """Train with the student's ``update(param, grad, state, lr)`` and return the parameters.

    ``steps`` ends the training after so many steps instead of after the epochs of the recipe.
    """
    return train_mlp(x, y, Recipe.of(recipe), update=update, steps=steps)
