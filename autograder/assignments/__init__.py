"""Which assignments are there? Every folder here with a ``checks.py`` that defines ``CHECKS``.

An assignment needs no entry anywhere: adding its folder is enough.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

from autograder.engine.declare import Check


def names() -> list[str]:
    """Return the names of all assignments, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


@functools.cache
def checks(assignment: str) -> dict[str, Check]:
    """Return the checks of one assignment by name.

    Raises
    ------
    ModuleNotFoundError
        If there is no such assignment.
    """
    module = importlib.import_module(f"{__name__}.{assignment}.checks")
    return {check.name: check for check in module.CHECKS}


@functools.cache
def all_checks() -> dict[str, Check]:
    """Return every check of every assignment by name; names are unique."""
    return {name: check for a in names() for name, check in checks(a).items()}
