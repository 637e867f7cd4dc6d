"""Does what passes in the notebook pass when graded, and the other way round?"""

from __future__ import annotations

import collections
import copy
import functools
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from autograder.assignments import all_checks
from autograder.engine.local import by_value
from autograder.engine.run import run_check
from autograder.student import plain
from autograder.student.outcome import described
from tests import kinds
from tests.both_ways import both_ways
from tests.conftest import load_solution

KINDS = kinds.SAME | kinds.OTHER
Pair = collections.namedtuple("Pair", "out cache")
Triple = collections.namedtuple("Triple", "out cache running")
Step = collections.namedtuple("Step", "param state")


def wrapped(function: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a function that changes the result of another one."""

    def changed(*args: Any, **kwargs: Any) -> Any:
        return change(function(*args, **kwargs))

    return changed


def first(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what changes the first part of a tuple."""
    return lambda result: (make(result[0]), *result[1:])


def solved(check: str) -> tuple[Callable[..., Any], ...]:
    solution = load_solution(all_checks()[check].assignment)
    takes = all_checks()[check].takes
    sys.modules[solution.__name__] = solution
    return tuple(getattr(solution, name) for name in takes)


PLACES: dict[str, tuple[str, Callable[[Any], Callable[[Any], Any]]]] = {
    "mask": ("dropout_mask", lambda make: make),
    "out": ("dropout_forward", first),
    "param": ("momentum", first),
    "running": (
        "update_running_stats",
        lambda make: lambda r: {**r, "mean": make(r["mean"])},
    ),
    "rate": ("exponential_decay", lambda make: lambda lr: make(np.asarray(lr))),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_values(kind: str, place: str) -> None:
    """A value in the place of an array is accepted if it is one; here and there the same is said."""
    check, put = PLACES[place]
    (function,) = solved(check)
    result = both_ways(check, (wrapped(function, put(KINDS[kind])),))
    text = result.text()
    assert "Token" not in text
    assert "Opaque" not in text
    assert "Lent" not in text
    dtypes = {aspect.name for aspect in result.aspects if "dtype" in aspect.name}
    failed = {aspect.name for aspect in result.aspects if not aspect.passed}
    if place == "rate" and kind in (
        "list",
        "np.matrix",
    ):  # of no dimension: a number, an array of one
        return
    if kind in kinds.SAME:
        assert failed <= dtypes, text
    else:
        assert failed - dtypes, text


def as_namedtuple(kind: Any) -> Callable[[Any], Any]:
    return lambda result: kind(*result)


class Loose(tuple):
    """A tuple whose own methods say something else."""

    def __iter__(self) -> Any:
        return iter(())

    def __getitem__(self, key: Any) -> Any:
        raise SystemExit

    def __len__(self) -> int:
        return 77


class Eager(dict):  # type: ignore[type-arg]
    """A dict that makes up what is missing, and lists nothing."""

    def __missing__(self, key: Any) -> Any:
        return 0.0

    def items(self) -> Any:
        return []

    def keys(self) -> Any:
        return []


class Filling(dict):  # type: ignore[type-arg]
    """A dict that makes up what is missing."""

    def __missing__(self, key: Any) -> Any:
        return 0.0


CONTAINERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "namedtuple of a pair": ("dropout_forward", as_namedtuple(Pair)),
    "namedtuple, backward": ("dropout_backward", as_namedtuple(Pair)),
    "namedtuple, frugal": ("frugal_dropout", as_namedtuple(Pair)),
    "namedtuple of three": ("batchnorm_forward", as_namedtuple(Triple)),
    "namedtuple of three, backward": ("batchnorm_backward", as_namedtuple(Triple)),
    "namedtuple of a step": ("adam", as_namedtuple(Step)),
    "loose tuple": ("dropout_forward", Loose),
    "loose tuple, backward": ("dropout_backward", Loose),
    "loose tuple of a step": ("adam", Loose),
    "OrderedDict": ("update_running_stats", collections.OrderedDict),
    "defaultdict": ("update_running_stats", lambda r: collections.defaultdict(float, r)),
    "Eager": ("update_running_stats", Eager),
    "np.str_ keys": ("update_running_stats", lambda r: {np.str_(k): v for k, v in r.items()}),
    "more keys": ("update_running_stats", lambda r: {**r, 3: 1j, (1, 2): None, Pair: 0}),
    "Eager running": ("batchnorm_forward", lambda r: (r[0], r[1], Eager(r[2]))),
    "OrderedDict state": ("adam", lambda r: (r[0], collections.OrderedDict(r[1]))),
    "Filling state": ("adam", lambda r: (r[0], Filling(r[1]))),
    "Filling plateau": ("reduce_on_plateau", lambda r: (r[0], Filling(r[1]))),
    "tuple of arrays": ("clip_by_norm", tuple),
    "subclass of list": ("clip_by_norm", type("Grads", (list,), {})),
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("seed", [None, 5], ids=["public", "hidden"])
def test_subclasses_of_containers_pass(name: str, seed: int | None) -> None:
    check, change = CONTAINERS[name]
    forward, *rest = solved(check)
    result = both_ways(check, (wrapped(forward, change), *rest), seed)
    assert result.passed, result.text()


@dataclass
class Moments:
    m: Any
    steps: int


MomentsTuple = collections.namedtuple("MomentsTuple", "m steps")


def momentum_with(kind: Callable[..., Any], missing: Callable[[Any], bool]) -> Callable[..., Any]:
    def momentum(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
        grad = grad + weight_decay * param
        if missing(state):
            state = kind(grad, 1)
        else:
            state = kind(momentum * state.m + (1 - dampening) * grad, state.steps + 1)
        return param - lr * state.m, state

    return momentum


def test_a_state_of_any_kind_is_handed_back_as_itself() -> None:
    for kind in (Moments, MomentsTuple):
        result = both_ways("momentum", (momentum_with(kind, lambda s: type(s) is dict),))
        assert result.passed, result.text()


def test_a_defaultdict_as_state_keeps_its_default() -> None:
    def momentum(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
        state = copy.copy(state) if state else collections.defaultdict(float)
        grad = grad + weight_decay * param
        late = state["steps"] > 0
        state["steps"] += 1
        state["m"] = momentum * state["m"] + (1 - dampening * late) * grad
        return param - lr * state["m"], state

    result = both_ways("momentum", (momentum,))
    assert result.passed, result.text()


def test_a_changed_state_is_noticed_whatever_its_class() -> None:
    def momentum(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
        if not isinstance(state, Filling):
            state = Filling()
        grad = grad + weight_decay * param
        late = state["steps"] > 0
        state["steps"] += 1
        state["m"] = momentum * state["m"] + (1 - dampening * late) * grad
        return param - lr * state["m"], state

    result = both_ways("momentum", (momentum,))
    assert "inputs kept" in {a.name for a in result.aspects if not a.passed}


class Callback:
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "function":
            raise AttributeError(name)
        return self


def talkative(function: Callable[..., Any]) -> Callable[..., Any]:
    def talks(*args: Any, **kwargs: Any) -> Any:
        print("x" * 1_000_000, "\ud800")
        warnings.warn("careful", stacklevel=1)
        return function(*args, **kwargs)

    return talks


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    def warns(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.warn("careful", stacklevel=1)
        return function(*args, **kwargs)

    return warns


def with_one_buffer(function: Callable[..., Any]) -> Callable[..., Any]:
    buffers: dict[Any, Any] = {}

    def reuses(*args: Any, **kwargs: Any) -> Any:
        result = np.asarray(function(*args, **kwargs))
        buffer = buffers.setdefault((result.shape, result.dtype), result)
        buffer[...] = result
        return buffer

    return reuses


def raising(make: Callable[[], BaseException]) -> Callable[..., Any]:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise make()

    return fails


def endless_recursion(*args: Any, **kwargs: Any) -> Any:
    return endless_recursion(*args, **kwargs)


def yields(*args: Any, **kwargs: Any) -> Any:
    yield args


async def waits(*args: Any, **kwargs: Any) -> Any:
    return args


def returns_its_argument(x: Any, p: Any, training: Any, rng: Any) -> Any:
    return x, x


def spoils_its_argument(x: Any, p: Any, training: Any, rng: Any) -> Any:
    x *= 0
    return x, x


def resizes_its_argument(x: Any, p: Any, training: Any, rng: Any) -> Any:
    x.resize(0, refcheck=False)
    return x, x


CALLABLES: dict[str, tuple[str, Callable[..., Any], bool]] = {
    "object": ("dropout_mask", Callback(solved("dropout_mask")[0]), True),
    "partial": ("dropout_mask", functools.partial(solved("dropout_mask")[0]), True),
    "lambda": ("dropout_mask", lambda *a, **k: solved_mask(*a, **k), True),
    "cached like a jitted one": ("dropout_mask", functools.wraps(solved("dropout_mask")[0])(Callback(solved("dropout_mask")[0])), True),
    "talkative": ("dropout_mask", talkative(solved("dropout_mask")[0]), True),
    "one buffer": ("dropout_mask", with_one_buffer(solved("dropout_mask")[0]), True),
    "builtin": ("dropout_mask", max, False),
    "ufunc": ("dropout_mask", np.add, False),
    "class": ("dropout_mask", dict, False),
    "generator function": ("dropout_mask", yields, False),
    "asynchronous function": ("dropout_mask", waits, False),
    "warnings are errors": ("dropout_mask", strict(solved("dropout_mask")[0]), False),
    "endless recursion": ("dropout_mask", endless_recursion, False),
    "its argument": ("dropout_forward", returns_its_argument, False),
    "its argument, spoilt": ("dropout_forward", spoils_its_argument, False),
    "its argument, resized": ("dropout_forward", resizes_its_argument, False),
}  # fmt: skip
solved_mask = solved("dropout_mask")[0]


@pytest.mark.parametrize("name", CALLABLES)
def test_kinds_of_functions(name: str) -> None:
    check, function, passes = CALLABLES[name]
    result = both_ways(check, (function,))
    assert result.passed == passes, result.text()
    assert len(result.printed) <= 2100


class OutOfRange(ValueError):
    """The usual subclass."""


def feigned() -> BaseException:
    """Return an exception whose metaclass says that it is a ValueError."""

    class ByMetaclass(type):
        __name__ = property(lambda cls: "ValueError")  # type: ignore[assignment]
        __mro__ = property(lambda cls: (ValueError, Exception, BaseException, object))  # type: ignore[assignment]
        __bases__ = property(lambda cls: (ValueError,))  # type: ignore[assignment]

        def __instancecheck__(cls, instance: Any) -> bool:
            raise SystemExit

        def __getattribute__(cls, name: str) -> Any:
            raise SystemExit(name)

    return ByMetaclass("Feigned", (Exception,), {})("p")


def mute() -> BaseException:
    """Return a ValueError that ends the process of whoever looks at it."""

    def leave(*args: Any) -> Any:
        raise SystemExit

    body = {
        "__str__": leave,
        "__repr__": leave,
        "__traceback__": property(leave),
        "__class__": property(leave),
    }
    return type("Mute", (ValueError,), body)("p")


EXCEPTIONS: dict[str, tuple[Callable[[], BaseException], bool]] = {
    "ValueError": (ValueError, True),
    "subclass": (lambda: OutOfRange("p"), True),
    "subclass of a subclass": (lambda: type("Mine", (OutOfRange,), {})("p"), True),
    "UnicodeDecodeError": (lambda: UnicodeDecodeError("ascii", b"x", 0, 1, "no"), True),
    "np.exceptions.AxisError": (lambda: np.exceptions.AxisError(3), True),
    "TypeError": (TypeError, False),
    "Exception": (Exception, False),
    "called ValueError": (lambda: type("ValueError", (Exception,), {})("p"), True),
    "metaclass": (feigned, False),
    "mute": (mute, True),
    "odd name": (lambda: type("\ud800 <b>", (ValueError,), {})("p"), True),
    "long": (lambda: ValueError("x" * 10_000_000 + "\ud800"), True),
    "many bases": (lambda: functools.reduce(lambda base, i: type(f"E{i}", (base,), {}), range(300), Exception)("p"), False),
    "SystemExit": (lambda: SystemExit(3), False),
    "KeyboardInterrupt": (KeyboardInterrupt, False),
    "GeneratorExit": (GeneratorExit, False),
    "BaseException": (lambda: type("Own", (BaseException,), {})("p"), False),
    "StopIteration": (StopIteration, False),
    "group": (lambda: ExceptionGroup("several", [ValueError("p")]), False),
    "MemoryError": (MemoryError, False),
}  # fmt: skip


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_kinds_of_exceptions(name: str) -> None:
    """Where a ValueError is due, a subclass of it is one, and nothing else is."""
    make, is_value_error = EXCEPTIONS[name]
    (mask,) = solved("dropout_mask")

    def careful(shape, p, rng):
        if not 0 <= p <= 1:
            raise make()
        return mask(shape, p, rng)

    assert both_ways("dropout_mask", (raising(make),)).passed is False
    result = both_ways("dropout_mask", (careful,))
    assert result.passed == is_value_error, result.text()


def test_what_is_not_plain_is_called_by_its_type() -> None:
    (mask,) = solved("dropout_mask")
    for make, words in (
        (kinds.Like, "mask should be a NumPy array of numbers, got Like"),
        (lambda a: a + 0j, "mask should be a NumPy array of numbers, got ndarray of complex128"),
        (kinds.object_array, "mask should be a NumPy array of numbers, got ndarray of object"),
    ):
        assert words in both_ways("dropout_mask", (wrapped(mask, make),)).text()


def test_real_interrupts_are_not_the_functions() -> None:
    def slow(*args: Any) -> Any:
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
        time.sleep(5)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_check(all_checks()["dropout_mask"], (slow,))
    assert signal.getsignal(signal.SIGINT) is before


def test_functions_of_a_notebook_are_called_by_value() -> None:
    seen = []

    def keeps(x: Any) -> Any:
        seen.append(x)
        return x

    with by_value((keeps,)) as (called,):
        x = np.ones(2)
        out = called(x)
        assert out is not x
        assert seen[0] is not x
        assert seen[0] is not out
    colours = {"red"}
    with by_value((lambda: colours, lambda given: given is colours)) as (make, same):
        assert make() != colours
        assert same(make())


@pytest.mark.parametrize("name", ["bases", "message"])
def test_descriptions_of_exceptions_are_bounded(name: str) -> None:
    error = EXCEPTIONS["many bases" if name == "bases" else "long"][0]()
    what = described(error)
    assert len(what.bases) <= 20
    assert len(what.message) <= 2000
    what.message.encode()


def test_values_within_a_value_share_what_is_allowed() -> None:
    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    big = [[0.5] * 30_000, [0.5] * 30_000]
    reduced = plain.reduced(big, keep)
    assert reduced[0] == big[0]
    assert isinstance(reduced[1], plain.Opaque)
    assert kept == [big[1]]
