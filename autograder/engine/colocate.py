"""How are functions called that may live in another process?

A plain function lives in this process and is simply called. To one that lives elsewhere, every message takes
longer than most calls. It may bring two methods, which :class:`autograder.examiner.remote.RemoteFunction` has:

``colocated(work, functions, arguments)``
    runs work beside the function, which calls it many times; see :func:`colocate`.
``ahead(observations)``
    makes observations, and need not ask for their calls one at a time; see :func:`ahead`.

The checks need not know which it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from autograder.engine.declare import Functions

Observe = TypeVar("Observe", bound=Callable[..., Any])
Seen = TypeVar("Seen")


def colocate(work: Callable[..., Any], functions: Functions, **arguments: Any) -> Any:
    """Run ``work(*functions, **arguments)`` in the process in which ``functions`` live.

    ``work`` must be a module-level function of this package, and its arguments and its result plain
    data: arrays, numbers, strings, None, and tuples, lists or dicts of these.
    """
    colocated = getattr(functions[0], "colocated", None)
    if colocated is not None:
        return colocated(work, functions, arguments)
    return work(*functions, **arguments)


def ahead(functions: Functions, observations: Sequence[Callable[[], Seen]]) -> Iterator[Seen]:
    """Make observations that make one call each (see :func:`one_call`), and yield what is seen, one by one."""
    theirs = getattr(functions[0], "ahead", None)
    if theirs is not None:
        return theirs(observations)  # type: ignore[no-any-return]
    return (observation() for observation in observations)


def one_call(observe: Observe) -> Observe:
    """Mark an ``observe`` that makes exactly one call (or colocates one piece of work).

    The arguments must follow from the case alone; then the calls for many cases can be sent ahead.
    """
    observe.one_call = True  # type: ignore[attr-defined]
    return observe


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
