"""What notebooks import: ``from autograder import check``, then ``check.<function>(<function>)``.

Every check of every assignment is an attribute of this module. Calling it shows a small table and
raises an ``AssertionError`` when something does not hold. A grader that wants all results instead,
public and hidden, runs the test cell inside :func:`collecting`: then nothing is shown or raised.
"""

from __future__ import annotations

import contextlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from autograder.assignments import all_checks
from autograder.engine.declare import Check
from autograder.engine.messages import _
from autograder.engine.results import WIDTH, CheckResult
from autograder.engine.run import run_check
from autograder.secret import hidden_seed

_collected: list[CheckResult] | None = None


class CheckFailed(AssertionError):
    """Something that a check demands does not hold. Notebooks show its message without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Checker:
    """A check that can be called from a notebook."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.__name__ = check.name
        self.__doc__ = "\n".join(
            [_(check.proves), "", f"check.{check.name}({', '.join(check.takes)})", ""]
            + [f"  {a.name}: {_(a.says)}" for a in check.aspects]
        )

    def __call__(self, *functions: Callable[..., Any], hidden: bool = False) -> None:
        """Check the student's functions and show the result.

        Raises
        ------
        CheckFailed
            If an aspect does not hold (unless results are collected).
        TypeError
            If the arguments are not the functions that this check takes.
        """
        check = self.check
        if len(functions) != len(check.takes) or not all(callable(f) for f in functions):
            raise TypeError(
                _("call it as check.{name}({takes}), with the functions you wrote").format(
                    name=check.name, takes=", ".join(check.takes)
                )
            )
        seed = hidden_seed(check.assignment) if hidden else None
        result = run_check(check, functions, seed)
        if _collected is not None:
            _collected.append(result)
            return
        show(result)
        if not result.passed:
            raise CheckFailed(
                result.summary() + "\n" + textwrap.fill(result.reason(), WIDTH)
            ) from None

    def __repr__(self) -> str:
        return f"<{_('check of')} {', '.join(self.check.takes)}: {len(self.check.aspects)} {_('aspects')}>"


@contextlib.contextmanager
def collecting() -> Iterator[list[CheckResult]]:
    """Gather the results of all checks that are called in the body, instead of showing them."""
    global _collected
    before, _collected = _collected, []
    try:
        yield _collected
    finally:
        _collected = before


def show(result: CheckResult) -> None:
    """Display ``result`` in a notebook, or print it elsewhere."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import display

        display(result)  # type: ignore[no-untyped-call]
    else:
        print(result.text())


def __getattr__(name: str) -> Checker:
    if name.startswith("_") or name not in all_checks():
        raise AttributeError(
            _("there is no check called {name!r}; there are: {names}").format(
                name=name, names=", ".join(sorted(all_checks()))
            )
        )
    return Checker(all_checks()[name])


def __dir__() -> list[str]:
    return sorted(all_checks())
