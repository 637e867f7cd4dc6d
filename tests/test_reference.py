"""Does every reference solution get full marks?"""

from __future__ import annotations

import pytest

from autograder.assignments import all_checks
from autograder.engine.declare import Check
from tests.accepted import SEEDS, assert_full_marks
from tests.conftest import ACCURACIES, load_solution


@pytest.mark.parametrize("check", all_checks().values(), ids=lambda c: c.name)
def test_reference_solution(check: Check) -> None:
    solution = load_solution(check.assignment)
    functions = tuple(getattr(solution, f) for f in check.takes)
    assert_full_marks(check.name, functions, (None,) if check.name in ACCURACIES else SEEDS)
