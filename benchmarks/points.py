"""What is every known mistake worth? Writes docs/points.md: ``python -m benchmarks.points``.

Every entry of every catalogue is run on the public cases and on hidden ones of a fixed seed, and scored by both
together, as in grading. Networks are left out: they give all or nothing.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from autograder import assignments
from autograder.engine.declare import Check
from autograder.engine.run import run_check
from autograder.engine.scoring import MAIN_IDEA, share_of

FILE = Path(__file__).parents[1] / "docs" / "points.md"
HIDDEN_SEED = 1
HEAD = f"""# What every known mistake is worth

Made by `make points`; a test holds it and the code together. Each entry of the catalogues was run on the public cases and on hidden ones of a fixed
seed; an aspect counts if it holds on both. The number behind an aspect is its weight.

- **Bold** aspects are the main idea: who fails one gets at most {100 * MAIN_IDEA:.0f} % of the points.
- Aspects in *italics* can be had by a function that does nothing of what was asked. They earn only if another one holds.
- Trained networks are not listed: they give all or nothing.
"""


def function_checks(assignment: str) -> list[Check]:
    """Return the checks of an assignment that train no network."""
    module = importlib.import_module(f"autograder.assignments.{assignment}.checks")
    trained = {network.check for network in module.ACCURACIES}
    return [c for c in assignments.checks(assignment).values() if c.name not in trained]


def aspects_of(check: Check) -> str:
    """Return the aspects with their weights; those of weight 0 are not scored."""

    def shown(name: str, main: bool, contract: bool) -> str:
        name = f"*{name}*" if contract else name
        return f"**{name}**" if main else name

    return ", ".join(
        f"{shown(a.name, a.main, a.contract)} {a.weight:g}" for a in check.aspects if a.weight
    )


def section(check: Check) -> str:
    """Return the table of one check."""
    partial = "" if check.partial else " All or nothing."
    lines = [
        f"### {check.name}\n",
        f"{aspects_of(check)}.{partial}\n",
        "| entry | points | fails |",
        "|---|---|---|",
    ]
    for i, entry in enumerate(check.misconceptions()):
        # Made anew for each run: some entries remember earlier calls.
        runs = [
            run_check(check, check.misconceptions()[i].functions, seed)
            for seed in (None, HIDDEN_SEED)
        ]
        failed = {a.name for run in runs for a in run.aspects if a.weight and not a.passed}
        names = ", ".join(a.name for a in check.aspects if a.name in failed)
        lines.append(f"| {entry.id} | {100 * share_of(runs).value:.0f} % | {names} |")
    return "\n".join(lines) + "\n"


def document() -> str:
    """Return the whole document."""
    parts = [HEAD]
    for assignment in assignments.names():
        parts += [f"## {assignment}\n", *map(section, function_checks(assignment))]
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
