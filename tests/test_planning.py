"""Are calls that are sent ahead the ones that would have been made, in the same order, with the same outcome?"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from autograder.engine.colocate import ahead, colocate, one_call
from autograder.engine.compare import Close
from autograder.engine.declare import Aspect, Case, Check
from autograder.engine.limits import OutOfTime, time_limit
from autograder.engine.observe import observe
from autograder.engine.run import run_check
from autograder.examiner.kernel import Limits, execution_environment, kernel
from autograder.examiner.remote import KernelDied, RemoteFunction, channel
from autograder.student import wire
from autograder.student.outcome import Captured, quiet
from autograder.student.work import in_turn, passes
from tests.conftest import FUNCTION_CHECKS, ISOLATION, load_solution

SETUP = """
import numpy as np
count = 0

def double(x):
    return 2 * x

def counting(x):
    global count
    count += 1
    return x + count

def drawing(x):
    return x + np.random.rand()

def third_never_ends(x):
    while x[0] == 2:
        pass
    return 2 * x

def third_dies(x):
    if x[0] == 2:
        import os
        os._exit(1)
    return 2 * x

def third_fails(x):
    if x[0] == 2:
        raise ValueError("at 2")
    return 2 * x

def large(x):
    return np.full(100_000, x[0])
"""


def cases(rng: np.random.Generator, hidden: bool) -> list[Case]:
    return [Case(f"x = {i}", {"x": np.array([float(i)])}) for i in range(5)]


def look(f: Any, c: Case) -> dict[str, Any]:
    return {"out": f[0](c.x.copy())}


def aspect(name: str, observe: Any) -> Aspect:
    return Aspect(name, name, 1, cases, observe, lambda c, seen: {"out": Close(2 * c.x)})


CHECK = Check(
    "double",
    "none",
    "",
    ("double",),
    (aspect("one by one", look), aspect("ahead", one_call(lambda f, c: look(f, c)))),
    seconds=3.0,
)


class Recorder:
    """A function that notes what it is called with."""

    def __init__(self, function: Any, calls: list[bytes]) -> None:
        self.function, self.calls, self.__name__ = function, calls, function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(wire.dumps([self.__name__, args, kwargs]))
        return self.function(*args, **kwargs)

    def colocated(self, work: Any, functions: tuple[Recorder, ...], arguments: Any) -> Any:
        self.calls.append(wire.dumps([work.__name__, arguments]))
        return work(*(f.function for f in functions), **arguments)


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
@pytest.mark.parametrize("seed", [None, 7], ids=["public", "hidden"])
def test_one_call_is_what_it_says(check: Check, seed: int | None) -> None:
    solution = load_solution(check.assignment)
    for i, each in enumerate(check.aspects):
        made = []
        for case in each.cases(np.random.default_rng([4, i]), seed is not None):
            twice: list[list[bytes]] = [[], []]
            for calls in twice:
                functions = tuple(Recorder(getattr(solution, f), calls) for f in check.takes)
                with quiet(Captured()):
                    observe(each, functions, case)
            assert twice[0] == twice[1], "an observation changed its case"
            made.append(len(twice[0]))
        marked = getattr(each.observe, "one_call", False)
        assert marked == (set(made) == {1}), f"{each.name}: {made} calls, marked: {marked}"


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_no_mistake_changes_a_case(check: Check) -> None:
    """Public cases are drawn once per process: what one student's function does must not reach the next."""
    for i, each in enumerate(check.aspects):
        cases = each.cases(np.random.default_rng([4, i]), False)

        def content(cases: Any = cases) -> list[bytes]:
            return [wire.dumps(dict(case.given), keep=lambda value: 0) for case in cases]

        before = content()
        for entry in check.misconceptions():
            with quiet(Captured()):
                for case in cases:
                    observe(each, entry.functions, case)
            assert content() == before, f"{entry.id} changes a case of {each.name}"


@pytest.fixture
def there():
    with kernel(Limits(), execution_environment(), ISOLATION) as running:
        assert not running.execute(SETUP, 30).error
        with channel(running, 20) as opened:
            yield lambda name: RemoteFunction(name, opened)


def test_right_functions_pass(there) -> None:
    assert run_check(CHECK, (there("double"),)).passed


@pytest.mark.parametrize("name", ["counting", "drawing", "large", "third_fails"])
def test_the_order_of_calls_and_the_global_state_are_kept(there, name: str) -> None:
    def seen(function: Any) -> list[Any]:
        one, many = CHECK.aspects
        given = cases(np.random.default_rng(0), False)
        found = [observe(one, (function,), c) for c in given]
        return [
            *found,
            *ahead((function,), [partial(observe, many, (function,), c) for c in given]),
        ]

    here: dict[str, Any] = {}
    exec(SETUP, here)
    for ours, theirs in zip(seen(here[name]), seen(there(name)), strict=True):
        if isinstance(ours, dict):
            assert np.array_equal(ours["out"], theirs["out"])
        else:
            assert (ours.type, ours.message) == (theirs.type, theirs.message)


@pytest.mark.parametrize("name", ["third_never_ends", "third_dies"])
def test_a_call_that_does_not_come_back_costs_its_aspect(there, name: str) -> None:
    result = run_check(CHECK, (there(name),))
    assert [a.passed for a in result.aspects] == [False, False]


def test_an_aspect_that_is_through_counts_when_a_later_one_runs_out_of_time() -> None:
    def slow(f: Any, c: Case) -> dict[str, Any]:
        while True:
            pass

    check = Check("slow", "none", "", ("f",), (aspect("quick", look), aspect("slow", slow)), seconds=0.3)  # fmt: skip
    result = run_check(check, (lambda x: 2 * x,))
    assert [a.passed for a in result.aspects] == [True, False]
    assert result.ending == "out of time"


def test_a_second_call_is_an_error_of_ours(there) -> None:
    double = there("double")

    def twice() -> float:
        return double(double(np.ones(1)))[0]

    with pytest.raises(RuntimeError, match="one_call"):
        list(ahead((double,), [twice, twice]))


def test_an_observation_without_a_call_is_made_in_its_place(there) -> None:
    double = there("double")
    made = ahead(
        (double,), [lambda: double(np.ones(1))[0], lambda: 7.0, lambda: double(np.zeros(1))[0]]
    )
    assert list(made) == [2.0, 7.0, 0.0]
    assert double(np.ones(1))[0] == 2.0


def test_the_time_limit_holds_in_observations_made_ahead(there) -> None:
    never_ends = there("third_never_ends")
    with pytest.raises(OutOfTime), time_limit(0.5):
        list(ahead((never_ends,), [lambda: never_ends(np.array([2.0]))] * 2))
    with pytest.raises(KernelDied):
        never_ends(np.ones(1))


def test_results_of_calls_in_turn_are_copies() -> None:
    buffer = np.zeros(2)

    def reuse(x: float, cache: dict[str, float]) -> tuple[Any, Any]:
        buffer[:] = x
        cache["seen"] = x
        return buffer, cache

    first, second = colocate(in_turn, (reuse,), calls=[(1.0,), (2.0,)], named={"cache": {}})
    assert first[0].tolist() == [1, 1]
    assert first[1] == {"seen": 1.0}
    assert second[0].tolist() == [2, 2]


def test_passes_use_the_cache_that_is_named() -> None:
    def forward(x: float, scale: float) -> tuple[float, float]:
        return x * scale, x

    def backward(dout: Any, cache: float) -> Any:
        dout *= cache
        return dout

    given = {"calls": [(2.0,), (3.0,)], "named": {"scale": 10}, "douts": [np.ones(1), np.ones(1)]}
    out, gradients, douts = passes(forward, backward, **given, which=1)
    assert out == [(20.0, None), (30.0, None)]
    assert [g.tolist() for g in gradients] == [[3.0], [3.0]]
    assert [d.tolist() for d in douts] == [[3.0], [3.0]]
    assert passes(lambda x: x, backward, [(1,)], {}, []) == ([1], [], [])
