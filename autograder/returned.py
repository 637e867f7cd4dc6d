"""Is what came back from a network's training of the right form? Asked before anything is computed with it.

NumPy computes with nearly any shapes, by broadcasting: running statistics of shape (1000000, 1) would turn a
few images into gigabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.engine.messages import _
from autograder.engine.observe import array
from autograder.student.outcome import WrongReturn
from autograder.student.training import Array, Parameters

Shape = tuple[int, ...]
MAX_KEPT = (
    10_000_000  # bytes: a cache or a state of the replayed networks has a tenth of that at most
)
ITEM = 64  # bytes, about, of a number or a container


def floats(value: Any, shape: Shape, name: str) -> Array:
    """Return ``value`` if it is an array of floating-point numbers, finite or not, of this shape.

    Raises
    ------
    WrongReturn
        If it is not; ``name`` is what the student's docstring calls it.
    """
    found = array(value, name)
    if found.dtype.kind != "f":
        raise WrongReturn(
            _("{name} should have a floating-point dtype, got {dtype}").format(
                name=name, dtype=found.dtype
            )
        )
    if found.shape != shape:
        raise WrongReturn(
            _("{name} should have the shape {expected}, got {got}").format(
                name=name, expected=shape, got=found.shape
            )
        )
    return found


def parameters(value: Any, shapes: Sequence[Sequence[Shape]]) -> Parameters:
    """Return the trained parameters ``value`` if they have the ``shapes`` of each layer's parameters.

    Raises
    ------
    WrongReturn
        If they are not a list that holds a tuple of such arrays for each layer.
    """
    layers = sequence(value, len(shapes), _("the trained parameters"))
    out: Parameters = []
    for i, (layer, expected) in enumerate(zip(layers, shapes, strict=True), 1):
        name = _("a trained parameter of layer {i}").format(i=i)
        own = sequence(layer, len(expected), _("the trained parameters of layer {i}").format(i=i))
        out.append(tuple(floats(a, shape, name) for a, shape in zip(own, expected, strict=True)))
    return out


def sequence(value: Any, length: int, name: str) -> Sequence[Any]:
    """Return ``value`` if it is a list or tuple of this length.

    Raises
    ------
    WrongReturn
        If it is not.
    """
    if not isinstance(value, list | tuple) or len(value) != length:
        raise WrongReturn(_("{name} should be {n} items").format(name=name, n=length))
    return value


def kept(value: Any, name: str) -> Any:
    """Return a cache or a state, which only the function itself looks into, if it is not too large.

    Raises
    ------
    WrongReturn
        If it holds more than ``MAX_KEPT`` bytes.
    """
    size, open_items = 0, [value]
    while open_items:
        item = open_items.pop()
        size += item.nbytes if isinstance(item, np.ndarray) else ITEM
        if size > MAX_KEPT:  # also ends a list that contains itself
            raise WrongReturn(
                _("{name} holds more than {n} MB").format(name=name, n=MAX_KEPT // 1_000_000)
            )
        if isinstance(item, dict):
            open_items += item.values()
        elif isinstance(item, list | tuple):
            open_items += item
    return value
