"""How does a notebook's check call the functions that are defined there? By value, exactly as grading does.

The arguments are copied, and results are reduced to plain data: by the very code that answers the examiner
in a student's process. So a check sees the same at home and when graded.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from autograder.engine.declare import Functions
from autograder.engine.replies import Reply, take
from autograder.student import wire
from autograder.student.outcome import Captured, quiet, stoppable
from autograder.student.server import Memory, answer

LARGE = 1_000_000  # bytes; the examiner shares arrays of this size among calls

Seen = TypeVar("Seen")


class LocalFunction:
    """A function of this process, called by value."""

    def __init__(self, name: str, namespace: dict[str, Any], memory: Memory) -> None:
        self.__name__, self._namespace, self._memory = name, namespace, memory

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function."""
        return take(
            self._answered(self.__name__, *_carried([list(arguments), keywords])), arguments
        )

    def ahead(self, observations: Sequence[Callable[[], Seen]]) -> Iterator[Seen]:
        """Make observations one after the other."""
        return (observation() for observation in observations)

    def colocated(
        self, work: Callable[..., Any], functions: Functions, arguments: dict[str, Any]
    ) -> Any:
        """Run work of this package on the functions themselves."""
        large = {
            name: value
            for name, value in arguments.items()
            if type(value) is np.ndarray and value.nbytes >= LARGE
        }
        small = _carried({name: arguments[name] for name in arguments.keys() - large.keys()})
        place = f"{work.__module__}:{work.__name__}"
        names = [f.__name__ for f in functions]
        return take(self._answered(place, [names], {**small, **large}), ())

    def _answered(self, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Reply:
        request = [name, arguments, keywords, None]
        return Reply.of(wire.loads(answer(request, self._namespace, self._memory)))


def _carried(value: Any) -> Any:
    return wire.loads(wire.dumps(value), own=True)


def proxies(functions: Functions, memory: Memory) -> Functions:
    """Return the functions as such that are called by value; what stands for opaque values is in ``memory``."""
    namespace = {f"function {i}": function for i, function in enumerate(functions)}
    return tuple(LocalFunction(name, namespace, memory) for name in namespace)


@contextlib.contextmanager
def by_value(functions: Functions) -> Iterator[Functions]:
    """Yield the functions as such that are called by value; those that are already are left alone."""
    if all(inspect.getattr_static(type(f), "colocated", None) for f in functions):
        yield functions
        return
    memory = Memory()
    try:
        with stoppable():
            yield proxies(functions, memory)
    finally:
        with quiet(Captured()):  # the end of a coroutine that nobody awaited is a warning
            memory.values.clear()
