"""Is a correct implementation accepted in full? Used by the tests of each assignment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograder.assignments import all_checks
from autograder.engine.run import run_check

SEEDS = (None, 1, 2, 3)


def assert_full_marks(
    check: str, functions: tuple[Callable[..., Any], ...], seeds: tuple[int | None, ...] = SEEDS
) -> None:
    """Run a check on public cases (seed None) and on several sets of hidden ones."""
    for seed in seeds:
        result = run_check(all_checks()[check], functions, seed)
        assert result.passed, result.text()
        assert result.score == 1
