"""How do notebooks draw? Figures with a text alternative, in colours that everybody can tell apart.

The colours are Okabe and Ito's (*Color Universal Design*, 2008), distinguishable with any of the common
kinds of colour blindness.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#777777"


def show(figure: Figure, alt: str) -> None:
    """Display ``figure`` in the notebook with ``alt`` as its text alternative, and close it."""
    from IPython.display import Image, display

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, facecolor="white")
    plt.close(figure)
    display(Image(buffer.getvalue()), metadata={"image/png": {"alt": alt}})  # type: ignore[no-untyped-call]


def network(axis: Axes, keep: Sequence[NDArray[Any]]) -> None:
    """Draw a fully connected network; units whose entry of ``keep`` is zero are crossed out.

    Parameters
    ----------
    axis:
        Where to draw.
    keep:
        One vector per layer, from input to output, with one entry per unit.
    """
    places = [
        [(i, j - (len(layer) - 1) / 2) for j in range(len(layer))] for i, layer in enumerate(keep)
    ]
    for left, right, a, b in zip(places[:-1], places[1:], keep[:-1], keep[1:], strict=True):
        for (x0, y0), alive0 in zip(left, a, strict=True):
            for (x1, y1), alive1 in zip(right, b, strict=True):
                if alive0 and alive1:
                    axis.plot([x0, x1], [y0, y1], color=GREY, lw=0.7, zorder=1)
    for layer, alive in zip(places, keep, strict=True):
        for (x, y), on in zip(layer, alive, strict=True):
            axis.plot(x, y, "o", ms=14, mfc=BLUE if on else "white", mec=BLUE, zorder=2)
            if not on:
                axis.plot(x, y, "x", ms=9, mew=2, color=ORANGE, zorder=3)
    axis.set_axis_off()


def histories(runs: dict[str, dict[str, list[float]]]) -> Figure:
    """Draw loss, accuracy and generalization gap per epoch for several training runs.

    Parameters
    ----------
    runs:
        Per label a history as :func:`autograder.student.training.train_with_history` returns it.
    """
    figure, (loss, accuracy, gap) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for color, (label, history) in zip((BLUE, ORANGE, GREEN, PURPLE), runs.items(), strict=False):
        epochs = np.arange(1, 1 + len(history["train_loss"]))
        for part, style in (("train", "--"), ("test", "-")):
            loss.plot(epochs, history[f"{part}_loss"], style, color=color, label=f"{label}, {part}")
            accuracy.plot(epochs, history[f"{part}_accuracy"], style, color=color)
        difference = np.subtract(history["test_loss"], history["train_loss"])
        gap.plot(epochs, difference, color=color, label=label)
    loss.set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log", title="loss")
    accuracy.set(xlabel="epoch", ylabel="accuracy", title="accuracy")
    gap.set(xlabel="epoch", ylabel="test loss - train loss", title="generalization gap")
    loss.legend(fontsize=8)
    gap.legend(fontsize=8)
    return figure


def digits(
    images: NDArray[Any], side: int, mean: NDArray[Any], std: NDArray[Any], labels: NDArray[Any]
) -> Figure:
    """Draw digits above the predicted probability of each class with its standard deviation.

    Parameters
    ----------
    images:
        (N, side²) pixels.
    side:
        Width and height of an image.
    mean, std:
        (N, 10) mean and standard deviation of the predicted probabilities.
    labels:
        (N,) true classes, marked in the lower row.
    """
    n = len(images)
    figure, axes = plt.subplots(2, n, figsize=(2.1 * n, 4), layout="constrained", squeeze=False)
    for i in range(n):
        axes[0, i].imshow(images[i].reshape(side, side), cmap="gray_r")
        axes[0, i].set_axis_off()
        colors = [ORANGE if k == labels[i] else BLUE for k in range(10)]
        axes[1, i].bar(range(10), mean[i], yerr=std[i], color=colors, capsize=2)
        axes[1, i].set(ylim=(0, 1.1), xticks=range(10))
        axes[1, i].tick_params(labelsize=7, labelleft=i == 0)
    axes[1, 0].set_ylabel("probability")
    return figure
