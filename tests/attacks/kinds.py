"""What is an attack? Data: what the first cell holds, how the file is handed in, what must be kept nevertheless.

An attack earns nothing by itself. Those that try a door of the sandbox define a *right* function if it opens
(:func:`if_it_works`): then every point is a breach. Sources may name places of the machine, which the harness puts
in (:data:`PLACES`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tests.test_grade import GOOD, marked

NOTHING = "\ndef dropout_mask(shape, p, rng):\n    return None\n"
RIGHT = GOOD["mask"].replace("def dropout_mask", "def right")
MARK = "redteam-left-this"  # in the names of all that attacks leave behind
FOREVER = "61.93"  # seconds that processes sleep which attacks leave behind
PLACES = ("COURSE", "PORT", "ABSTRACT", "SOCKET")
"""Words that the harness replaces: the course's directory, a TCP port, an abstract and an ordinary socket's name."""

Change = Callable[[NotebookNode], None]
Hand = Callable[[Path, NotebookNode], None]


@dataclass(frozen=True)
class Attack:
    """One hostile submission.

    Attributes
    ----------
    cell:
        What the first solution cell holds.
    honest:
        Whether the honest task keeps its points; None where an attack breaks the student's own kernel or file, so
        that it may lose them.
    share:
        The largest share of an attacked task's points that it may earn: 0, or 0.05 for degenerate functions.
    walls:
        Whether it is about the sandbox: not tried where there is none, and tried as an ordinary user too.
    change:
        What is done to the notebook before it is written.
    hand:
        How the notebook gets to its path, if not as an ordinary file.
    only_root:
        Whether only root can hand it in.
    """

    cell: str = NOTHING
    honest: bool | None = True
    share: float = 0.0
    walls: bool = False
    change: Change | None = None
    hand: Hand | None = None
    only_root: bool = False


def indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def in_function(body: str, result: str = "None") -> str:
    """A function that does something and then returns something."""
    return f"def dropout_mask(shape, p, rng):\n{indented(body)}    return {result}\n"


def if_it_works(attempt: str) -> str:
    """A cell that tries something; the function is right only if no exception comes of it."""
    return (
        f"{RIGHT}\ndef attempt():\n{indented(attempt)}"
        "try:\n    attempt()\n    dropout_mask = right\n"
        "except BaseException as error:\n    print(type(error), error)\n"
        "    def dropout_mask(shape, p, rng):\n        return None\n"
    )


def wall(attempt: str) -> Attack:
    """An attempt on the sandbox."""
    return Attack(if_it_works(attempt), walls=True)


def test_cell(check: str, *functions: str) -> NotebookNode:
    """The cell that tests these functions, publicly and hidden."""
    names = ", ".join(functions)
    hidden = f"### BEGIN HIDDEN TESTS\ncheck.{check}({names}, hidden=True)\n### END HIDDEN TESTS"
    cell = new_code_cell(f"check.{check}({names})\n{hidden}")
    return marked(cell, f"test_{check}", points=10, grade=True, locked=True)


ATTACKED = {
    "dropout_mask": ("dropout_mask",),
    "dropout_backward": ("dropout_forward", "dropout_backward"),
    "mnist_dropout": ("dropout_forward", "dropout_backward"),
    "adam": ("adam",),
    "mnist_momentum": ("momentum",),
    "fold_batchnorm": ("fold_batchnorm",),
}
"""The tasks that are attacked, and the functions that they are about."""
HONEST = "classic_dropout_forward"


def tiny(mask: str) -> NotebookNode:
    """The notebook of a course of two tasks with this source for the first function."""
    return _notebook(mask, ["dropout_mask"])


def hostile(cell: str) -> NotebookNode:
    """The notebook of the course that is attacked: one cell for the attack, many tasks that it may be about."""
    return _notebook(cell, list(ATTACKED))


def _notebook(cell: str, attacked: list[str]) -> NotebookNode:
    setup = "import numpy as np\nfrom autograder import check"
    honest = "import numpy as np\n" + GOOD["classic"]
    return new_notebook(
        cells=[
            marked(new_code_cell(setup), "setup", locked=True),
            marked(new_code_cell(cell), "mask", solution=True),
            *(test_cell(check, *ATTACKED[check]) for check in attacked),
            marked(new_code_cell(honest), "classic", solution=True),
            test_cell(HONEST, HONEST),
        ]
    )
