"""What is ``check`` in the student's process while grading? Something that can be called and does nothing.

The checks run in the examiner's process, and so do the test cells that call them.
"""

from __future__ import annotations

from typing import Any

from autograder.student.messages import _


class Elsewhere:
    """Stands for a check."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *functions: Any, **options: Any) -> None:
        """Say that the check is not run here."""
        print(
            _("check.{name} is not run in this cell: grading runs it elsewhere.").format(
                name=self.__name__
            )
        )


def __getattr__(name: str) -> Elsewhere:
    if name.startswith("_"):
        raise AttributeError(name)
    return Elsewhere(name)
