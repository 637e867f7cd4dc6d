"""Which steps does a network take with the student's functions? Our own loop calls them, in our own process.

A loop beside the functions would be faster, and would show nothing: student code can replace whatever
runs there. Here each step is what the functions returned when they were called for it, and PyTorch's
is put beside it. The network is a small one, so that a few hundred calls carry little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autograder.accuracy import training_data
from autograder.engine.compare import Close, Expectation
from autograder.engine.declare import Observation
from autograder.student import training
from autograder.student.training import Array, Parameters

STEPS = 20
PIXELS = 64  # about so many of an image are shown to the network
RECIPE = training.Recipe(hidden=(32, 16), batch_size=32, dtype="float64")


def images() -> tuple[Array, Array]:
    """Return the training images with evenly spaced pixels (N, about ``PIXELS``), and labels (N,)."""
    data = training_data()
    return data.train_x[:, :: max(1, data.train_x.shape[1] // PIXELS)], data.train_y


def take(
    recipe: training.Recipe,
    hidden: training.Hidden | None = None,
    update: training.Update | None = None,
) -> Observation:
    """Take the steps with student functions; return the parameters after each, as one vector.

    ``hidden`` and ``update`` are those of :func:`autograder.student.training.train_mlp`; they have to check the form of
    what the student's functions return before anything is computed with it.
    """
    after: list[Array] = []
    x, y = images()
    training.train_mlp(
        x, y, recipe, hidden, update, steps=STEPS,
        after_update=lambda _step, parameters: after.append(training.flatten(parameters)),
    )  # fmt: skip
    return dict(zip(names(), after, strict=True))


def opening(
    recipe: training.Recipe, hidden: training.Hidden | None = None
) -> tuple[Parameters, list[tuple[Array, Array]]]:
    """Return the parameters that the steps start from, and the minibatch (images, labels) of each."""
    return training.opening(*images(), recipe, STEPS, hidden)


def expected(after: Iterable[Parameters]) -> dict[str, Expectation]:
    """Expect these parameters after the steps; of several that differ, the first step is shown."""
    vectors = map(training.flatten, after)
    return {name: Close(vector) for name, vector in zip(names(), vectors, strict=True)}


def names() -> Sequence[str]:
    """Return what the parameters after each step are called."""
    return [f"parameters after step {step}" for step in range(1, STEPS + 1)]
