"""What runs beside a student function, since it calls it several times?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any


def in_turn(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], named: dict[str, Any]
) -> list[Any]:
    """Work to colocate: call a function on each tuple of arguments, and return copies of the results."""
    return [_copy_of(function(*call, **copy.deepcopy(named))) for call in calls]


def passes(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    named: dict[str, Any],
    douts: Sequence[Any],
    which: int = 0,
) -> tuple[list[Any], list[Any], list[Any]]:
    """Work to colocate: several forward calls, then backward calls with the cache of one of them.

    Parameters
    ----------
    forward:
        Returns a tuple whose second part is the cache.
    backward:
        ``backward(dout, cache)``.
    calls, named:
        The arguments of each forward call, and those by name that are common to all.
    douts:
        The upstream gradient of each backward call.
    which:
        The number of the forward call whose cache is used.

    Returns
    -------
    tuple
        What ``forward`` returned, with None for the caches; what ``backward`` returned; the ``douts`` after it.
    """
    results = [forward(*call, **copy.deepcopy(named)) for call in calls]
    out = [_without_cache(result) for result in results]
    if not isinstance(results[which], tuple) or len(results[which]) < 2:
        return out, [], []
    cache = results[which][1]
    return out, [_copy_of(backward(dout, cache)) for dout in douts], list(douts)


def _without_cache(result: Any) -> Any:
    if isinstance(result, tuple) and len(result) > 1:
        return _copy_of((result[0], None, *result[2:]))
    return _copy_of(result)


def _copy_of(value: Any) -> Any:
    """Return a value whose arrays are copies, so that later calls cannot change it."""
    if type(value) is tuple or type(value) is list:
        return type(value)(_copy_of(item) for item in value)
    if type(value) is dict:
        return {key: _copy_of(item) for key, item in value.items()}
    return value.copy() if hasattr(value, "copy") and type(value).__module__ == "numpy" else value
