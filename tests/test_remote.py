"""Can a check tell a function in another process from one in its own? It must not."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.engine.run import run_check
from autograder.examiner.kernel import Kernel, Limits, execution_environment, kernel
from autograder.examiner.remote import KernelDied, RemoteFunction, channel, names_in
from autograder.student.server import GlobalState
from tests.both_ways import said
from tests.conftest import FUNCTION_CHECKS, ISOLATION, load_solution, whole_package

LIMITS = Limits()
SETUP = """
import numpy as np
from importlib import import_module

def echo(*args, **kwargs):
    return args, kwargs

def double_in_place(x, items, options):
    x *= 2
    items.append(3)
    options["seen"] = True

def draw(rng):
    return rng.random(3)

def draw_globally():
    return np.random.rand(3)

def draw_one_globally():
    return np.random.randn()

def fail(kind):
    raise {"value": ValueError, "own": type("Mine", (Exception,), {})}[kind]("bad " + kind)

def closure(x):
    return lambda y: x + y

def apply(function, y):
    return function(y)

def say():
    print("hello")

def lazy():
    class Lazy:
        def __array__(self, dtype=None, copy=None):
            return np.ones(3)
    return Lazy()

class Forged(np.ndarray):
    def __eq__(self, other):
        return True

def forged():
    return np.zeros(3).view(Forged)

def die():
    import os
    os._exit(1)

number, text = 5, "five"
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory):
    answers = tmp_path_factory.mktemp("answers")
    setup = whole_package(answers)
    with kernel(LIMITS, execution_environment(), ISOLATION, [str(answers)]) as started:
        assert not started.execute(setup, 30).error
        assert not started.execute(SETUP, 30).error
        yield started


@pytest.fixture
def there(running: Kernel):
    """The names of the other process."""
    names = [
        "echo", "double_in_place", "draw", "draw_globally", "draw_one_globally", "fail", "closure", "apply", "say",
        "lazy", "forged", "number", "text", "missing",
    ]  # fmt: skip
    with channel(running, 30) as opened:
        yield names_in(opened, names)
    assert running.usable


def test_names(there) -> None:
    assert isinstance(there["echo"], RemoteFunction)
    assert (there["number"], there["text"]) == (5, "five")
    assert "missing" not in there


def test_values_go_there_and_back(there) -> None:
    value = (1, 2.5, "x", None, True, [np.eye(2), {"a": np.float32(1)}], float("inf"))
    (back,), options = there["echo"](value, flag=False)
    assert options == {"flag": False}
    assert back[:5] == value[:5]
    assert np.array_equal(back[5][0], np.eye(2))
    assert type(back[5][1]["a"]) is np.float32


def test_changed_arguments_are_changed_here_too(there) -> None:
    x, items, options = np.ones(3), [1, 2], {}
    there["double_in_place"](x, items, options)
    assert x.tolist() == [2, 2, 2]
    assert items == [1, 2, 3]
    assert options == {"seen": True}


def test_generators_advance_here_too(there) -> None:
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    assert np.array_equal(there["draw"](rng), twin.random(3))
    assert rng.random() == twin.random()


def test_global_random_state_is_shared(there) -> None:
    np.random.seed(4)
    expected = np.random.rand(4)
    np.random.seed(4)
    assert np.array_equal(there["draw_globally"](), expected[:3])
    assert np.random.rand() == expected[3]


@pytest.mark.parametrize(("kind", "name"), [("value", "ValueError"), ("own", "Mine")])
def test_exceptions_arrive_by_name_and_message(there, kind: str, name: str) -> None:
    with pytest.raises(Exception, match="bad " + kind) as caught:
        there["fail"](kind)
    assert type(caught.value).__name__ == name
    assert "raise {" in caught.value.raised.where


def test_what_cannot_travel_stays_and_can_be_given_back(there) -> None:
    closure = there["closure"](np.ones(2))
    assert there["apply"](closure, 1).tolist() == [2, 2]
    assert type(there["lazy"]()).__name__ == "Lazy"
    assert type(there["forged"]()) is np.ndarray


def test_prints_arrive(there, capsys: pytest.CaptureFixture[str]) -> None:
    there["say"]()
    assert capsys.readouterr().out == "hello\n"


def test_death_is_noticed_at_once_and_for_good() -> None:
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        started.execute(SETUP, 30)
        with channel(started, 30) as opened:
            functions = names_in(opened, ["die", "say"])
            for name in ("die", "say"):
                with pytest.raises(KernelDied):
                    functions[name]()
        assert not started.usable


@pytest.mark.parametrize("check", FUNCTION_CHECKS, ids=lambda c: c.name)
def test_every_mistake_is_judged_and_named_as_it_is_here(running: Kernel, check) -> None:
    module, maker = check.misconceptions.__module__, check.misconceptions.__name__
    for i, entry in enumerate(check.misconceptions()):
        names = [f"f{i}_{k}" for k in range(len(entry.functions))]
        source = f"{', '.join(names)}, = import_module({module!r}).{maker}()[{i}].functions"
        assert not running.execute(source, 30).error
        with channel(running, 30) as opened:
            functions = tuple(names_in(opened, names)[name] for name in names)
            remote = run_check(check, functions)
        assert [m.id for m in remote.named][:1] == [entry.id]
        assert said(remote) == said(run_check(check, entry.functions))
        assert not remote.passed


@pytest.mark.usefixtures("digits")
def test_training_runs_over_there() -> None:
    source = inspect.getsource(load_solution("dropout"))
    with kernel(LIMITS, execution_environment(), ISOLATION) as started:
        assert not started.execute(source, 30).error
        with channel(started, 60) as opened:
            names = ["dropout_forward", "dropout_backward"]
            functions = tuple(names_in(opened, names)[n] for n in names)
            result = run_check(all_checks()["mnist_dropout"], functions)
    assert result.passed, result.text()


def test_a_normal_number_that_was_set_aside_counts_as_state() -> None:
    """The legacy generator draws normal numbers in pairs; the second one moves nothing but a flag."""
    np.random.seed(3)
    before = GlobalState()
    assert before.is_current()
    np.random.randn()
    assert not before.is_current()
    between = GlobalState()
    np.random.randn()
    assert not between.is_current()
    np.random.set_state(between.state)
    assert between.is_current()


def test_normal_numbers_one_by_one_from_the_global_generator(there) -> None:
    np.random.seed(4)
    expected = [np.random.randn() for _ in range(4)]
    np.random.seed(4)
    assert [there["draw_one_globally"]() for _ in range(3)] == expected[:3]
    assert np.random.randn() == expected[3]
