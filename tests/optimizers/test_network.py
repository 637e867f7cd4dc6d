"""Does the check of a trained network reject what training can show?"""

from __future__ import annotations

import pytest

from autograder.assignments import all_checks
from autograder.assignments.optimizers import misconceptions, mnist
from autograder.engine.run import run_check

ENTRIES = [
    pytest.param(name, entry, id=f"{name}-{entry.id}")
    for name in mnist.LR
    for entry in misconceptions.of_training(name)
]


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_training_rejects_and_names_what_it_can_show(name: str, entry) -> None:
    result = run_check(all_checks()[f"mnist_{name}"], entry.functions)
    assert not result.passed
    assert result.score == 0
    assert "replay" in [a.name for a in result.aspects if not a.passed]
    assert [m.id for m in result.named] == [entry.id]
