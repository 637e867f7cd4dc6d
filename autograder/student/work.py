"""What runs beside a student function, since it calls it several times?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from autograder.student.plain import as_tuple, copied


def in_turn(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], named: dict[str, Any]
) -> list[Any]:
    """Work to colocate: call a function on each tuple of arguments, and return copies of the results."""
    return [copied(function(*call, **copy.deepcopy(named))) for call in calls]


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
    chosen = as_tuple(results[which])
    if chosen is None or len(chosen) < 2:
        return out, [], []
    cache = chosen[1]
    return out, [copied(backward(dout, cache)) for dout in douts], list(douts)


def _without_cache(result: Any) -> Any:
    parts = as_tuple(result)
    if parts is not None and len(parts) > 1:
        return copied((parts[0], None, *parts[2:]))
    return copied(result)
