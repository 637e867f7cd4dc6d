"""What did a call by value do? Its result or exception, and its effects on the arguments, taken out of a reply.

Functions are called by value wherever they live (see :mod:`autograder.engine.local` and
:mod:`autograder.examiner.remote`): both take replies apart here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.student import wire
from autograder.student.outcome import MAX_BASES, MAX_MESSAGE, MAX_WHERE, Carried, Raised
from autograder.student.plain import Lent

NAME, SAYS, WHERE, PRINTED = (
    80,
    MAX_MESSAGE,
    MAX_WHERE,
    2000,
)  # characters of what comes with a reply


class RemoteFailure(Carried):
    """An exception of a student's function; a subclass bears the name of the original type."""

    @classmethod
    def of(cls, name: str, bases: tuple[str, ...], message: str, where: str) -> RemoteFailure:
        """Build the exception for the names of a type and of its bases, a message and a line of the student's code."""
        safe = name[:NAME] if name.isidentifier() else "Exception"
        bases = tuple(base[:NAME] for base in bases[:MAX_BASES])
        what = Raised(safe, message[:SAYS], where[:WHERE], bases)
        failure: RemoteFailure = type(safe, (cls,), {"raised": what})(what.message)
        return failure


@dataclass(frozen=True)
class Reply:
    """What came back from a call; see :func:`autograder.student.server.answer`."""

    returned: Any
    raised: tuple[str, tuple[str, ...], str, str] | None
    changed: list[tuple[int, Any]]
    state: Any
    printed: str

    @classmethod
    def of(cls, value: Any) -> Reply:
        """Check the form of a decoded reply.

        Raises
        ------
        WireError
            If it is not of the right form.
        """
        match value:
            case [returned, raised, list(changed), state, str(printed)]:
                pass
            case _:
                raise wire.WireError("not a reply")
        match raised:
            case None:
                pass
            case (str(), tuple(bases), str(), str()) if all(type(base) is str for base in bases):
                pass
            case _:
                raise wire.WireError("not a reply")
        if not all(isinstance(c, tuple) and len(c) == 2 and type(c[0]) is int for c in changed):
            raise wire.WireError("not a reply")
        if state is not None and not is_state(state):
            raise wire.WireError("not a reply")
        return cls(returned, raised, changed, state, printed)


def is_state(state: Any) -> bool:
    """Tell whether a value has the form of ``numpy.random.get_state()``."""
    match state:
        case ("MT19937", np.ndarray() as key, int(position), int(has_gauss), float()):
            return (
                key.shape == (624,)
                and key.dtype == np.uint32
                and 0 <= position <= 624
                and has_gauss in (0, 1)
            )
    return False


def take(reply: Reply, arguments: tuple[Any, ...]) -> Any:
    """Apply a reply's effects on ``arguments``; return what was returned or raise what was raised.

    Raises
    ------
    WireError
        If the effects are impossible ones.
    RemoteFailure
        If the function raised.
    """
    sys.stdout.write(reply.printed[:PRINTED])
    try:
        for i, value in reply.changed:
            _change(arguments[i], value)
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        raise wire.WireError("not a reply: impossible effects") from error
    if reply.raised is not None:
        raise RemoteFailure.of(*reply.raised)
    return reply.returned


def _change(ours: Any, theirs: Any) -> None:
    """Do to an argument what the function did to its copy.

    Where all that can be said is that it is no longer what it was (an array of another shape, a value that is
    not plain data any more), it becomes NaN, 0 or empty.
    """
    if isinstance(ours, np.ndarray):
        if isinstance(theirs, np.ndarray) and ours.shape == theirs.shape:
            np.copyto(ours, theirs, casting="unsafe")
        else:
            ours[...] = np.nan if ours.dtype.kind == "f" else 0
    elif isinstance(ours, np.random.Generator) and isinstance(theirs, np.random.Generator):
        ours.bit_generator.state = theirs.bit_generator.state
    elif isinstance(ours, list):
        ours[:] = theirs if isinstance(theirs, list) else []
    elif isinstance(ours, dict):
        ours.clear()
        ours.update(theirs if isinstance(theirs, dict) else {})
    if isinstance(ours, Lent) and isinstance(theirs, Lent):
        ours.number = theirs.number
