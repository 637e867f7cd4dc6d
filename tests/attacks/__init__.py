"""All that is tried against the grader, as data: one module for each question that it answers."""

from __future__ import annotations

from tests.attacks import (
    answers,
    endings,
    escape,
    exhaustion,
    files,
    forging,
    functions,
    pages,
    values,
)
from tests.attacks.kinds import PLACES, Attack

FAMILIES: dict[str, dict[str, Attack]] = {
    "answers": answers.ATTACKS,
    "forging": forging.ATTACKS,
    "functions": functions.ATTACKS,
    "values": values.ATTACKS,
    "endings": endings.ATTACKS,
    "exhaustion": exhaustion.ATTACKS,
    "escape": escape.ATTACKS,
    "files": files.ATTACKS,
    "pages": pages.ATTACKS,
}
ATTACKS: dict[str, Attack] = {name: a for family in FAMILIES.values() for name, a in family.items()}

SAMPLE = (
    "read the solution", "import torch", "memory of all processes", "the catalogue's sound optimizer",
    "message without its text", "one garbage frame", "forged reply", "colliding keys of numbers", "builtins", "displayhook", "empties its input",
    "all NaN", "training loop of one's own",
    "named tuple", "gigantic integer", "lone surrogate", "exception of 150 MB",
    "exit() in the cell", "os._exit() in the function", "SIGSTOP in the cell", "kill all in the function",
    "fork bomb", "/dev/shm", "output of many small messages", "ignoring the interrupt",
    "core_pattern", "nested user namespace", "a port of the machine", "keyctl",
    "link to the source", "FIFO", "attachment that is a number", "surrogate in a text",
    "links in a text", "commands of CI in a wrapped line",
)  # fmt: skip
"""A few of each kind, for every change; all of them are tried before a release."""

CELLS = {
    name: attack.cell
    for name, attack in ATTACKS.items()
    if not (
        attack.change
        or attack.hand
        or attack.share
        or any(place in attack.cell for place in PLACES)
    )
    and "dropout_mask" in attack.cell
    and "\ud800" not in attack.cell
    and len(attack.cell) < 10_000
}
"""Attacks that are a cell about ``dropout_mask`` and nothing else: for other graders, and for other courses."""
