"""What happens when a student function is called? Calls it and records everything as plain data.

Whatever the function does, the caller gets an observation: prints and warnings are collected instead
of shown (a warning on stderr would cost the points of the cell under stock nbgrader), exceptions
become :class:`~autograder.engine.compare.Raised`, and NumPy's global random state is seeded first and
restored after, so that code which draws from it is repeatable and noticed.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.engine.compare import Raised, is_numeric
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import _

GLOBAL_SEED = 20140615
NOT_THE_STUDENTS = f"{Path(__file__).parents[1]}{os.sep}"


class WrongReturn(Exception):
    """A student function returned something of another kind than its docstring says."""


class Captured(io.StringIO):
    """Text that the student's functions printed, kept up to ``limit`` characters."""

    limit = 2000

    def write(self, text: str) -> int:
        super().write(text[: max(0, self.limit - self.tell())])
        return len(text)

    def taken(self) -> str:
        """Return the text, and forget it."""
        text = self.getvalue()
        if text:
            self.seek(0)
            self.truncate()
        return text


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


def raised(error: BaseException) -> Raised:
    """Describe an exception and the line of the student's code that it came from."""
    if isinstance(error, WrongReturn):
        return Raised("", str(error))
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(NOT_THE_STUDENTS)
        and "site-packages" not in frame.f_code.co_filename
    ]
    where = str(getattr(error, "where", ""))  # known already if it comes from another process
    if own and not where:
        filename, number = own[-1]
        line = linecache.getline(filename, number).strip()
        where = _("line {n}: {line}").format(n=number, line=line)
    try:
        message = str(error)
    except Exception:
        message = ""
    bases = getattr(error, "bases", None)  # likewise
    if not isinstance(bases, tuple):
        bases = tuple(base.__name__ for base in type(error).__mro__[1:-1])
    return Raised(type(error).__name__, message, where, bases)


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


@contextlib.contextmanager
def quiet(printed: Captured) -> Iterator[None]:
    """Collect standard output, standard error and warnings in ``printed``.

    Not ResourceWarning, which comes when garbage is collected, whoever left it.
    """

    def note(message: Warning | str, category: type[Warning], *_where: Any, **_file: Any) -> None:
        printed.write(f"{category.__name__}: {message}\n")

    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.showwarning = note
        yield


@contextlib.contextmanager
def kept_global_random_state() -> Iterator[None]:
    """Put ``numpy.random``'s global state back afterwards."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
