"""What happens when a student function is called? Calls it and records everything as plain data.

Whatever the function does, the caller gets an observation: prints and warnings are collected instead
of shown (a warning on stderr would cost the points of the cell under stock nbgrader), exceptions
become :class:`~autograder.student.outcome.Raised`, and NumPy's global random state is seeded first and
restored after, so that code which draws from it is repeatable and noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.engine.compare import is_numeric
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import _
from autograder.student.outcome import GLOBAL_SEED, Raised, WrongReturn, raised


def observe(aspect: Aspect, functions: Functions, case: Case) -> Observation | Raised:
    """Run ``aspect.observe`` on one case; never raises an ``Exception``. To be called inside :func:`quiet`.

    NumPy's global random state is seeded first: see :func:`kept_global_random_state`.
    """
    np.random.seed(GLOBAL_SEED)
    try:
        return aspect.observe(functions, case)
    except (Exception, SystemExit) as error:
        return raised(error)


def attempt(call: Callable[[], Any]) -> Raised | None:
    """Call ``call`` and return the exception that it raised, or ``None``."""
    try:
        call()
    except Exception as error:
        return raised(error)
    return None


def array(value: Any, name: str) -> NDArray[Any]:
    """Return ``value`` if it is a numeric NumPy array (or scalar).

    Raises
    ------
    WrongReturn
        If it is not; ``name`` is what the student's docstring calls it.
    """
    if not isinstance(value, np.ndarray | np.generic) or not is_numeric(value):
        raise WrongReturn(
            _("{name} should be a NumPy array of numbers, got {type}").format(
                name=name, type=type(value).__name__
            )
        )
    return np.asarray(value)


def parts(value: Any, *names: str) -> tuple[Any, ...]:
    """Return ``value`` if it is a tuple of as many parts as there are ``names``.

    Raises
    ------
    WrongReturn
        If it is not (an array of matching length would unpack without complaint).
    """
    if not isinstance(value, tuple) or len(value) != len(names):
        got = (
            _("a tuple of {n}").format(n=len(value))
            if isinstance(value, tuple)
            else type(value).__name__
        )
        raise WrongReturn(
            _("expected the {n} values `{names}`, got {got}").format(
                n=len(names), names=", ".join(names), got=got
            )
        )
    return value
