"""What is a check worth? One rule, for the result that a student sees at home and for the grade.

1. An aspect counts if it holds in every run of its check, on public and on hidden cases.
2. Aspects that a function has which does nothing of what was asked (``contract``) earn only if one
   holds for which something has to be done.
3. Who fails an aspect that is the main idea (``main``) gets at most :data:`MAIN_IDEA`.
4. A check that is not ``partial`` gives all or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.engine.messages import N_

if TYPE_CHECKING:
    from autograder.engine.results import CheckResult

MAIN_IDEA = 0.6
"""Share of a check's points that can be had without its main idea."""

NO_SUBSTANCE = N_(
    "No points yet: what holds so far also holds for a function that does nothing of what was asked."
)
NO_MAIN_IDEA = N_("At most {percent:.0f} % of the points, for the main idea is missing: {aspects}.")


@dataclass(frozen=True)
class Share:
    """The share of a check's points, from 0 to 1, and the rule that made it smaller, if one did.

    ``limit`` is :data:`NO_SUBSTANCE`, :data:`NO_MAIN_IDEA` or empty; ``missing`` names the main ideas that failed.
    """

    value: float
    limit: str = ""
    missing: tuple[str, ...] = ()


def share_of(runs: Sequence[CheckResult]) -> Share:
    """Return the share that one check earned in all of its runs together.

    Parameters
    ----------
    runs:
        Results of the same check, one or more.
    """
    first = runs[0]
    if not first.partial:
        return Share(float(all(run.passed for run in runs)))
    failed = {aspect.name for run in runs for aspect in run.aspects if not aspect.passed}
    scored = [aspect for aspect in first.aspects if aspect.weight]
    total = sum(aspect.weight for aspect in scored)
    kept = [aspect for aspect in scored if aspect.name not in failed]
    if not kept:
        return Share(0.0)
    if all(aspect.contract for aspect in kept):
        return Share(0.0, NO_SUBSTANCE)
    value = sum(aspect.weight for aspect in kept) / total
    missing = tuple(aspect.name for aspect in scored if aspect.main and aspect.name in failed)
    if missing and value > MAIN_IDEA:
        return Share(MAIN_IDEA, NO_MAIN_IDEA, missing)
    return Share(value)


def combined_score(results: Sequence[CheckResult]) -> float:
    """Return the share of a cell's points: the mean over its checks, each judged by all of its runs."""
    names = dict.fromkeys(result.check for result in results)
    shares = [share_of([r for r in results if r.check == name]).value for name in names]
    return sum(shares) / len(shares)
