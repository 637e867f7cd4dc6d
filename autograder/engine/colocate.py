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
