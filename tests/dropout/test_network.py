"""Does the check of a trained network reject what training can show?"""

from __future__ import annotations

import pytest

from autograder.assignments import all_checks
from autograder.assignments.dropout import misconceptions
from autograder.engine.run import run_check


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("id", "aspect"),
    [
        ("D3-keep-and-drop-swapped", "accuracy"),
        ("D21-threshold-swapped", "accuracy"),
        ("D1-unscaled", "replay"),
        ("D8-never-active", "replay"),
        ("D10-new-mask-in-backward", "replay"),
        ("D12-gradient-scaled-twice", "replay"),
        ("D13-gradient-unmasked", "replay"),
    ],
)
def test_training_rejects_what_it_can_show(id: str, aspect: str) -> None:
    functions = next(m.functions for m in misconceptions.of_training() if m.id == id)
    result = run_check(all_checks()["mnist_dropout"], functions)
    assert aspect in [a.name for a in result.aspects if not a.passed]
    if aspect == "replay":
        assert id in [m.id for m in result.named]
