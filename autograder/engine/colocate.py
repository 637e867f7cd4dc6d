"""Where does long work run that calls a student function thousands of times?

Beside the function. A plain function lives in this process, so the work is simply called. A function
that lives in another process brings a method ``colocated`` that runs the work over there; the checks
need not know which it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from autograder.engine.declare import Functions


@runtime_checkable
class Elsewhere(Protocol):
    """A function that lives in another process."""

    def colocated(
        self, work: Callable[..., Any], functions: Functions, arguments: dict[str, Any]
    ) -> Any:
        """Run ``work(*functions, **arguments)`` where the functions live; return plain data."""
        ...


def colocate(work: Callable[..., Any], functions: Functions, **arguments: Any) -> Any:
    """Run ``work(*functions, **arguments)`` in the process in which ``functions`` live.

    ``work`` must be a module-level function of this package, and its arguments and its result plain
    data: arrays, numbers, strings, None, and tuples, lists or dicts of these.
    """
    first: object = functions[0]
    if isinstance(first, Elsewhere):
        return first.colocated(work, functions, arguments)
    return work(*functions, **arguments)
