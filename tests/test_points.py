"""Does docs/points.md say what the checks give? The numbers of one check, and the form of all."""

from __future__ import annotations

import pytest

from autograder.assignments import all_checks
from autograder.engine.declare import Check
from benchmarks import points
from tests.conftest import FUNCTION_CHECKS

DOCUMENT = points.FILE.read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in DOCUMENT.split("\n### ")[1:]}


def test_every_check_is_listed_and_no_other() -> None:
    assert set(SECTIONS) == {check.name for check in FUNCTION_CHECKS}
    assert DOCUMENT.startswith(points.HEAD)


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_aspects_weights_and_entries_are_those_of_the_check(check: Check) -> None:
    section = SECTIONS[check.name]
    assert points.aspects_of(check) in section
    rows = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines()[6:]]
    assert [row for row in rows if row and row[0] != "#"] == [m.id for m in check.misconceptions()]


@pytest.mark.parametrize("name", ["dropout_mask", "clip_by_norm", "count_parameters"])
def test_the_numbers_are_those_of_the_rule(name: str) -> None:
    assert (
        points.section(all_checks()[name]).rstrip()
        == "### " + SECTIONS[name].split("\n## ")[0].rstrip()
    )


@pytest.mark.parametrize(
    ("check", "entry"),
    [
        ("dropout_forward", "D1-unscaled"),
        ("dropout_forward", "D3-keep-and-drop-swapped"),
        ("dropout_forward", "D8-active-in-evaluation"),
        ("batchnorm_forward", "B1-unbiased-normalization"),
        ("batchnorm_forward", "B9-batch-statistics-in-evaluation"),
        ("batchnorm_backward", "B17-statistics-as-constants"),
        ("adamw", "O11-l2-instead-of-decoupled"),
        ("clip_by_norm", "O32-each-by-itself"),
        ("one_cycle", "O34-lines"),
        ("reduce_on_plateau", "O36-compares-with-the-last-loss"),
    ],
)
def test_without_the_main_idea_there_are_at_most_60_percent(check: str, entry: str) -> None:
    row = next(r for r in SECTIONS[check].splitlines() if r.startswith(f"| {entry} |"))
    assert int(row.split("|")[2].rstrip(" %")) <= 60
