"""Is a correct implementation accepted in full, in the notebook and when graded? Used by the tests of each assignment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograder.assignments import all_checks
from autograder.engine.results import CheckResult
from autograder.engine.run import run_check
from tests.both_ways import both_ways

SEEDS = (None, 1, 2, 3)
GRADED = (None, 1)  # those for which the functions are called in a kernel, too


def run_by_name(
    check: str, functions: tuple[Callable[..., Any], ...], seed: int | None
) -> CheckResult:
    """Run a check here."""
    return run_check(all_checks()[check], functions, seed)


def assert_full_marks(
    check: str, functions: tuple[Callable[..., Any], ...], seeds: tuple[int | None, ...] = SEEDS
) -> None:
    """Run a check on public cases (seed None) and on several sets of hidden ones."""
    for seed in seeds:
        run = both_ways if seed in GRADED else run_by_name
        result = run(check, functions, seed)
        assert result.passed, result.text()
        assert result.score == 1
