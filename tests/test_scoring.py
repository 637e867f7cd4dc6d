"""Is the scoring rule what the docs say? On results made by hand, and on what a check hands to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from nbformat.v4 import new_code_cell

from autograder.engine.compare import Close
from autograder.engine.declare import Aspect, Case, Check
from autograder.engine.results import AspectResult, CheckResult
from autograder.engine.run import PUBLIC_SEED, _cases, run_check
from autograder.engine.scoring import NO_MAIN_IDEA, NO_SUBSTANCE, combined_score, share_of
from autograder.examiner.examine import Outcome
from autograder.examiner.grade import State, score
from tests.conftest import FUNCTION_CHECKS

WEIGHTS = {"formula": 4.0, "edges": 3.0, "law": 1.0, "shape": 2.0, "hint": 0.0}  # of 10


def result(
    failed: str = "",
    *,
    hidden: bool = False,
    partial: bool = True,
    check: str = "f",
    main: Sequence[str] = (),
    contract: Sequence[str] = (),
    weights: dict[str, float] = WEIGHTS,
) -> CheckResult:
    """Return a result in which some aspects failed, named in one string."""
    aspects = [
        AspectResult(name, f"{name} is right", weight, name not in failed.split(), name in main, name in contract)
        for name, weight in weights.items()
    ]  # fmt: skip
    return CheckResult(check, "made up", "It works.", hidden, tuple(aspects), partial=partial)


def shares(*runs: CheckResult) -> float:
    return share_of(runs).value


@pytest.mark.parametrize(
    ("failed", "share"),
    [
        ("", 1.0),
        ("formula", 0.6),
        ("edges", 0.7),
        ("formula edges law", 0.2),
        ("formula edges law shape", 0.0),
        ("hint", 1.0),
        ("formula edges law shape hint", 0.0),
    ],
)
def test_an_aspect_that_holds_earns_its_weight(failed: str, share: float) -> None:
    assert shares(result(failed)) == pytest.approx(share)
    assert result(failed).score == pytest.approx(share)


@pytest.mark.parametrize(
    ("public", "hidden", "share"),
    [
        ("", "", 1.0),
        ("law", "", 0.9),
        ("", "law", 0.9),  # what only the hidden cases show costs as much
        ("law", "law", 0.9),
        ("law", "edges", 0.6),
        ("formula edges", "law shape", 0.0),
    ],
)
def test_an_aspect_counts_if_it_holds_on_public_and_hidden_cases(
    public: str, hidden: str, share: float
) -> None:
    runs = [result(public), result(hidden, hidden=True)]
    assert shares(*runs) == pytest.approx(share)
    assert shares(*reversed(runs)) == pytest.approx(share)
    assert combined_score(runs) == pytest.approx(share)


@pytest.mark.parametrize(
    ("public", "hidden", "share"),
    [("", "", 1.0), ("law", "", 0.0), ("", "law", 0.0), ("hint", "hint", 1.0)],
)
def test_repairs_and_networks_need_all_aspects_in_all_runs(
    public: str, hidden: str, share: float
) -> None:
    runs = [result(public, partial=False), result(hidden, hidden=True, partial=False)]
    assert combined_score(runs) == share


@pytest.mark.parametrize(
    ("public", "hidden", "share"),
    [
        ("formula edges law", "", 0.0),
        ("", "formula edges law", 0.0),
        ("formula edges", "law", 0.0),  # substance on each, but none on both
        ("formula edges", "", 0.3),
        ("formula edges law", "shape", 0.0),
    ],
)
def test_contract_aspects_earn_only_beside_one_of_substance(
    public: str, hidden: str, share: float
) -> None:
    made = [result(f, hidden=h, contract=["shape"]) for f, h in ((public, False), (hidden, True))]
    assert combined_score(made) == pytest.approx(share)


def test_a_hint_of_weight_0_is_no_substance() -> None:
    made = result("formula edges law", contract=["shape"])
    assert made.aspects[-1].passed
    assert share_of([made]).limit == NO_SUBSTANCE
    assert made.score == 0


@pytest.mark.parametrize(
    ("failed", "main", "share"),
    [
        ("law", ["law"], 0.6),  # 90 % without the cap
        ("edges", ["edges"], 0.6),  # 70 % without it
        ("formula", ["formula"], 0.6),
        ("formula law", ["formula"], 0.5),  # less than the cap already
        ("law", ["formula"], 0.9),  # another aspect is the main idea
        ("", ["formula", "law"], 1.0),
        ("law edges", ["edges", "law"], 0.6),
    ],
)
def test_without_the_main_idea_at_most_60_percent(
    failed: str, main: list[str], share: float
) -> None:
    assert result(failed, main=main).score == pytest.approx(share)
    runs = [result(main=main), result(failed, hidden=True, main=main)]
    assert combined_score(runs) == pytest.approx(share)


def test_a_hint_is_never_the_main_idea() -> None:
    assert result("hint", main=["hint"]).score == 1


def test_the_cap_and_its_reason_are_said_when_they_bite() -> None:
    capped = result("law", main=["law"])
    assert share_of([capped]).limit == NO_MAIN_IDEA
    assert "(60 % of the points)" in capped.summary()
    says = "At most 60 % of the points, for the main idea is missing: law."
    assert says in capped.text()
    assert says in capped.html()
    for silent in (result("law"), result("formula law", main=["formula"]), result(main=["law"])):
        assert silent.limit() == ""
        assert "main idea" not in silent.text() + silent.html()
    empty = result("formula edges law", contract=["shape"])
    assert "(0 % of the points)" in empty.summary()
    assert "No points yet" in empty.text()
    assert "No points yet" in empty.html()


def test_the_rule_survives_json() -> None:
    for made in (result("law", main=["law"]), result("formula edges law", contract=["shape"])):
        assert CheckResult.from_dict(made.to_dict()) == made


def test_a_cell_is_worth_the_mean_of_its_checks() -> None:
    results = [
        result(check="f"),
        result("law", check="f", hidden=True),
        result("formula", check="g"),
        result(check="g", hidden=True),
        result("law", check="h", partial=False),
    ]
    assert combined_score(results) == pytest.approx((0.9 + 0.6 + 0.0) / 3)


@pytest.mark.parametrize(
    ("public", "hidden", "partial", "points", "state"),
    [
        ("", "", True, 10, State.PASSED),
        ("", "law", True, 9, State.PARTIAL),
        ("", "law", False, 0, State.FAILED),
        ("", "", False, 10, State.PASSED),
        ("formula edges law shape", "", True, 0, State.FAILED),
    ],
)
def test_the_grade_of_a_cell_follows_the_rule(
    public: str, hidden: str, partial: bool, points: float, state: State
) -> None:
    cell = new_code_cell("check.f(f)\ncheck.f(f, hidden=True)")
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "points": 10, "grade_id": "t"}
    runs = [result(public, partial=partial), result(hidden, hidden=True, partial=partial)]
    grade = score(cell, Outcome(runs))
    assert (grade.points, grade.state) == (pytest.approx(points), state)


# -- what a check hands to the rule --------------------------------------------------------------


def cases_of_made_up(rng: np.random.Generator, hidden: bool) -> list[Case]:
    return [
        Case("a plain one", {"x": 7.0 if hidden else 1.0}),
        Case("an edge", {"x": -1.0}, only="edge"),
    ]


def made_up(**changes: object) -> Check:
    def aspect(name: str, weight: float, **more: bool) -> Aspect:
        return Aspect(name, name, weight, cases_of_made_up, lambda f, c: {"y": f[0](c.x)},
                      lambda c, seen: {"y": Close(2 * c.x)}, **more)  # fmt: skip

    both = (aspect("formula", 9, main=True), aspect("edge", 1, contract=True))
    shared = tuple(dataclasses.replace(a, observe=both[0].observe) for a in both)
    return dataclasses.replace(Check("made_up", "", "It doubles.", ("f",), shared), **changes)


def test_a_check_declares_main_ideas_and_contracts() -> None:
    made = run_check(made_up(), (lambda x: 2 * x,))
    assert [(a.main, a.contract) for a in made.aspects] == [(True, False), (False, True)]


def test_hidden_runs_draw_hidden_cases() -> None:
    public_only = lambda x: 2 * x if x < 5 else 0.0  # noqa: E731
    assert run_check(made_up(), (public_only,)).passed
    failed = run_check(made_up(), (public_only,), 1)
    assert [a.passed for a in failed.aspects] == [False, False]


def test_an_edge_case_costs_the_aspect_that_it_belongs_to() -> None:
    def refuses_the_edge(x: float) -> float:
        if x < 0:
            raise ValueError(x)
        return 2 * x

    made = run_check(made_up(), (refuses_the_edge,))
    assert {a.name: a.passed for a in made.aspects} == {"formula": True, "edge": False}


def numbers(case: Case) -> Iterable[str]:
    """Return the numbers of a case, as text, and what else tells one from another."""
    for name, value in sorted(case.given.items()):
        yield f"{name} {plain(value)}"


def plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_hidden_cases_differ_from_public_ones_for_every_aspect(check: Check) -> None:
    for i, aspect in enumerate(check.aspects):
        public, one, other = (
            [list(numbers(c)) for c in _cases(aspect, i, seed)] for seed in (None, 1, 2)
        )
        assert one != public, aspect.name
        assert other != public, aspect.name


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_hidden_cases_are_asked_for_as_such(check: Check) -> None:
    """And differ from what the public seed would give, and from one student to the next."""
    for i, aspect in enumerate(check.aspects):
        asked: list[bool] = []

        def spying(rng: np.random.Generator, hidden: bool, asked: list[bool] = asked, aspect: Aspect = aspect):  # fmt: skip
            asked.append(hidden)
            return aspect.cases(rng, hidden)

        spied = dataclasses.replace(aspect, cases=spying)
        _cases(spied, i, 1)
        _cases(spied, i, None)
        assert asked == [True, False], aspect.name


def test_public_cases_come_from_one_seed() -> None:
    aspect = FUNCTION_CHECKS[0].aspects[0]
    again = aspect.cases(np.random.default_rng([PUBLIC_SEED, 0]), False)
    assert [list(numbers(c)) for c in again] == [list(numbers(c)) for c in _cases(aspect, 0, None)]


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_every_check_has_substance_and_a_main_idea(check: Check) -> None:
    scored = [a for a in check.aspects if a.weight]
    assert any(not a.contract for a in scored)
    assert any(a.main for a in scored)
    assert not any(a.main or a.contract for a in check.aspects if not a.weight)
