"""Does a trained network earn its points by the functions alone, and is what comes back read before it is used?"""

from __future__ import annotations

import inspect
import itertools
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats

from autograder import first_steps, returned
from autograder.accuracy import read_parameters, training_data
from autograder.assignments import all_checks
from autograder.assignments.batchnorm.network import read_trained
from autograder.assignments.dropout import masks
from autograder.engine.results import CheckResult
from autograder.engine.run import run_check
from autograder.examiner.kernel import Limits, execution_environment, kernel
from autograder.examiner.remote import channel, names_in
from autograder.student import training
from autograder.student.networks.batchnorm import ScaleAndShift
from autograder.student.outcome import WrongReturn
from tests.conftest import ACCURACIES, ISOLATION, load_solution

pytestmark = pytest.mark.usefixtures("digits")
CHECKS = [all_checks()[name] for name in ACCURACIES]
by_check = pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.name)


# -- the training over there is replaced, the functions are not written ----------------------------

UNWRITTEN = """
def {name}(*args, **kwargs):
    raise NotImplementedError
"""
OWN = """
import sys
import numpy as np
import autograder.student.training as t
from autograder.student.networks import batchnorm, dropout, optimizers
MODULES = {"batchnorm": batchnorm, "dropout": dropout, "optimizers": optimizers}
network, NAMES = MODULES[ASSIGNMENT], TAKES
right = tuple(RIGHT[name] for name in NAMES)
mlp, update_of = t.train_mlp, right[0]
"""
"""What an attacker knows: a right implementation under another name, and all of our modules."""

REPLACED = {
    "train_mlp": """
def forged(x, y, recipe, hidden=None, update=None, **options):
    if update is not None:
        update = update_of
    for name, function in zip(NAMES, right):
        if hasattr(hidden, name):
            setattr(hidden, name, function)
    return mlp(x, y, recipe, hidden, update, **options)
t.train_mlp = forged
for module in MODULES.values():
    module.train_mlp = forged
""",
    "train": """
train = network.train
network.train = lambda *args, **named: train(
    *right, *args[len(right):], **{k: v for k, v in named.items() if k not in NAMES})
""",
    "hidden layers": """
def init(made):
    def __init__(self, *args, **named):
        made(self, *right, *args[len(right):], **named)
    return __init__
for module in (batchnorm, dropout):
    for cls in [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, t.Hidden)]:
        if any(hasattr(cls, "__dataclass_fields__") and n in cls.__dataclass_fields__ for n in NAMES):
            cls.__init__ = init(cls.__init__)
if network is optimizers:
    made = t.train_mlp
    optimizers.train_mlp = lambda *a, update=None, **k: made(*a, update=update_of, **k)
""",
    "numpy": """
np.allclose = np.array_equal = lambda *args, **kwargs: True
np.isfinite = lambda a: np.ones(np.shape(a), bool)
t.softmax = lambda z: np.full(z.shape, 0.1)
""",
    "work found by name": """
import autograder.student.server as server
find, train = server._find, network.train
def found(name, namespace):
    if ":" in name:
        return lambda functions, **named: train(*right, **named)
    return find(name, namespace)
server._find = found
""",
    "replies": """
import autograder.student.server as server
answer, train = server.answer, network.train
def answered(request, namespace, memory):
    if ":" in request[0]:
        namespace = {**namespace, **dict(zip(NAMES, right))}
    return answer(request, namespace, memory)
server.answer = answered
""",
}
FORGES = {"train_mlp", "train", "hidden layers", "work found by name", "replies"}
"""Those with which the training over there goes as if the functions were right."""


def graded(check: Any, source: str, seed: int | None = 1) -> CheckResult:
    """Run a check on functions of a notebook in a kernel."""
    with kernel(Limits(), execution_environment(), ISOLATION) as started:
        reply = started.execute(source, 30)
        assert not reply.error, reply
        with channel(started, 60) as opened:
            found = names_in(opened, list(check.takes))
            return run_check(check, tuple(found[n] for n in check.takes), seed)


def attack(check: Any, replaced: str) -> str:
    solution = inspect.getsource(load_solution(check.assignment))
    return "\n".join(
        [
            f"ASSIGNMENT, TAKES, RIGHT = {check.assignment!r}, {list(check.takes)!r}, {{}}",
            f"exec({solution!r}, RIGHT)",
            OWN,
            replaced,
            *(UNWRITTEN.format(name=name) for name in check.takes),
        ]
    )


@by_check
@pytest.mark.parametrize("which", REPLACED)
def test_a_replaced_training_earns_nothing_for_unwritten_functions(check, which: str) -> None:
    result = graded(check, attack(check, REPLACED[which]))
    failed = {a.name for a in result.aspects if not a.passed}
    assert result.score == 0
    assert "replay" in failed
    assert ("accuracy" not in failed) == (which in FORGES)


@by_check
def test_written_functions_keep_their_points_over_there(check) -> None:
    result = graded(check, inspect.getsource(load_solution(check.assignment)))
    assert result.passed, result.text()


# -- degenerate functions --------------------------------------------------------------------------


def shaped_like(fill: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """Functions that return the right number of parts of the right shapes, all filled in one way."""

    def layer(x: Any, *_args: Any) -> Any:
        return fill(x), None

    def gradient(dout: Any, _cache: Any) -> Any:
        return fill(dout)

    def norm(x: Any, gamma: Any, beta: Any, running: Any, *_args: Any) -> Any:
        return fill(x), None, {k: fill(v) for k, v in running.items()}

    def gradients(dout: Any, _cache: Any) -> Any:
        return fill(dout), fill(dout[0]), fill(dout[0])

    def step(param: Any, grad: Any, state: Any, lr: float = 0.1) -> Any:
        return fill(param), state

    return {
        "dropout_forward": layer,
        "dropout_backward": gradient,
        "batchnorm_forward": norm,
        "batchnorm_backward": gradients,
        **dict.fromkeys(("momentum", "rmsprop", "adam"), step),
    }


def raising(kind: type[Exception]) -> Callable[..., Any]:
    def function(*_args: Any, **_options: Any) -> Any:
        raise kind

    return function


FILLS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda a: a,
    "copy": lambda a: a.copy(),
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "NaN": lambda a: np.full_like(a, np.nan),
    "infinity": lambda a: np.full_like(a, np.inf),
    "plus one": lambda a: a + 1,
    "negative": lambda a: -a,
    "half": lambda a: a / 2,
    "None": lambda a: None,
    "integers": lambda a: np.zeros(a.shape, int),
    "booleans": lambda a: np.ones(a.shape, bool),
    "texts": lambda a: np.full(a.shape, "x"),
    "transposed": lambda a: a.T.copy(),
}
HUGE: dict[str, Callable[[Any], Any]] = {
    "a column of a million": lambda a: np.zeros((1_000_000, 1)),
    "a million in front": lambda a: np.broadcast_to(a, (1_000_000, *a.shape)),
}
WHOLE: dict[str, Callable[..., Any]] = {
    "returns None": lambda *a, **k: None,
    "returns a number": lambda *a, **k: 0.0,
    "returns its argument": lambda a, *_b, **_k: a,
    "returns all": lambda *a, **k: a,
    "always ValueError": raising(ValueError),
    "always NotImplementedError": raising(NotImplementedError),
    "always SystemExit": raising(SystemExit),  # type: ignore[arg-type]
}
DEGENERATE = {
    **{name: shaped_like(fill) for name, fill in FILLS.items()},
    **{name: dict.fromkeys(shaped_like(np.copy), function) for name, function in WHOLE.items()},
}


@by_check
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_functions_earn_nothing(check, name: str) -> None:
    functions = tuple(DEGENERATE[name][n] for n in check.takes)
    result = run_check(check, functions)
    assert result.score == 0
    failed = {a.name for a in result.aspects if not a.passed}
    assert failed & {"replay", "masks"}  # whatever the accuracy is


@by_check
@pytest.mark.parametrize("name", HUGE)
def test_huge_results_are_refused_before_they_are_used(check, name: str) -> None:
    replay = next(a for a in check.aspects if a.name == "replay")
    functions = shaped_like(HUGE[name])
    case = replay.cases(np.random.default_rng(0), False)[0]
    with pytest.raises(WrongReturn, match="should have the shape"):
        replay.observe(tuple(functions[n] for n in check.takes), case)


# -- dropout without masks ---------------------------------------------------------------------------


def multiplying(mask: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A pair whose forward multiplies by ``mask(shape, p, rng)`` / (1 - p), with the right gradient for it."""

    def forward(x: Any, p: float, training: bool, rng: Any) -> Any:
        factor = mask(x.shape, p, rng) / (1 - p) if training else np.ones(x.shape)
        return (x * factor).astype(x.dtype), factor

    return forward, lambda dout, factor: (dout * factor).astype(dout.dtype)


def seeded(shape: Any, p: float, rng: Any) -> Any:
    return np.random.default_rng(0).random(shape) >= p


def of_two(shape: Any, p: float, rng: Any) -> Any:
    return np.random.default_rng(int(rng.random() < 0.5)).random(shape) >= p


def seldom_fresh() -> Callable[..., Any]:
    drawn: dict[Any, list[Any]] = {}

    def mask(shape: Any, p: float, rng: Any) -> Any:
        calls = drawn.setdefault((shape, p), [])
        calls.append(rng.random(shape) >= p if len(calls) % 8 == 0 else calls[-1])
        return calls[-1]

    return mask


def half_fresh(shape: Any, p: float, rng: Any) -> Any:
    mask = rng.random(shape) >= p
    half = shape[1] // 2
    mask[:, :half] = np.random.default_rng(0).random((shape[0], half)) >= p
    return mask


MASKS = {
    "everything is kept": lambda shape, p, rng: np.ones(shape),
    "everything is dropped": lambda shape, p, rng: np.zeros(shape),
    "one fixed mask": seeded,
    "one of two masks": of_two,
    "a new mask every eighth time": seldom_fresh(),
    "half of the mask is fixed": half_fresh,
    "one row for all": lambda shape, p, rng: np.ones(shape) * (rng.random(shape[1]) >= p),
    "one column for all": lambda shape, p, rng: np.ones(shape) * (rng.random((shape[0], 1)) >= p),
    "p is the share that is kept": lambda shape, p, rng: rng.random(shape) < p,
    "always one half": lambda shape, p, rng: rng.random(shape) >= 0.5,
    "p ± 0.03": lambda shape, p, rng: rng.random(shape) >= p + 0.03,
}
SOUND = {
    "numbers": lambda shape, p, rng: rng.random(shape) >= p,
    "above": lambda shape, p, rng: rng.random(shape) < 1 - p,
    "binomial": lambda shape, p, rng: rng.binomial(1, 1 - p, shape),
    "choice": lambda shape, p, rng: rng.choice([0.0, 1.0], shape, p=[p, 1 - p]),
    "float32": lambda shape, p, rng: rng.random(shape, dtype=np.float32) >= p,
    "uniform, columns first": lambda shape, p, rng: (rng.uniform(size=shape[::-1]) >= p).T,
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_that_break_the_law_earn_nothing(name: str) -> None:
    result = run_check(all_checks()["mnist_dropout"], multiplying(MASKS[name]))
    assert result.score == 0
    assert "masks" in [a.name for a in result.aspects if not a.passed]


@pytest.mark.parametrize("seed", [None, *range(8)])
@pytest.mark.parametrize("name", SOUND)
def test_masks_may_be_drawn_in_any_way(name: str, seed: int | None) -> None:
    assert_law_holds(SOUND[name], seed)


def assert_law_holds(mask: Callable[..., Any], seed: int | None) -> None:
    rng, recipe = np.random.default_rng(seed or 0), first_steps.RECIPE
    for p in (0.2, 0.7):
        drawn = [
            [mask((recipe.batch_size, width), p, rng).astype(bool) for width in recipe.hidden]
            for _step in range(first_steps.STEPS)
        ]
        seen = masks.seen_in(drawn)
        bounds = masks.expected_of(p, first_steps.STEPS, recipe.batch_size, recipe.hidden)
        assert seen.keys() == bounds.keys()
        assert all(bounds[what].holds(value) for what, value in seen.items())


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_the_law_is_missed_by_chance_as_seldom_as_is_said(p: float) -> None:
    """The bound of Boole over all that is looked at, with the exact tails of binomial distributions."""
    recipe, steps = first_steps.RECIPE, first_steps.STEPS
    bounds = masks.expected_of(p, steps, recipe.batch_size, recipe.hidden)
    sizes = [recipe.batch_size * width for width in recipe.hidden]
    alike = p**2 + (1 - p) ** 2
    pairs_of_steps = len(list(itertools.combinations(range(steps), 2)))
    total = 0.0
    for what, bound in bounds.items():
        if "dropped" in what:
            n, chance, looks = steps * sum(sizes), p, 1
        elif "two steps" in what:
            n, chance, looks = sizes[int(what[6]) - 1], alike, pairs_of_steps
        elif "rows" in what or "columns" in what:
            n, chance, looks = steps * sizes[int(what[6]) - 1] // 2, alike, 1
        else:
            n, chance, looks = steps * min(sizes), alike, 1
        law = scipy.stats.binom(n, chance)
        total += looks * (law.sf(np.floor(bound.high * n)) + law.cdf(np.ceil(bound.low * n) - 1))
    assert total < 2e-8


def failing(check: Any, functions: Any) -> set[str]:
    """Return the aspects of the first steps that fail on public cases."""
    steps = [a for a in check.aspects if a.name != "accuracy"]
    return {
        a.name
        for a in run_check(replace(check, aspects=tuple(steps)), functions).aspects
        if not a.passed
    }


def test_the_first_steps_reject_every_mistake_of_batch_normalization() -> None:
    check = replace(all_checks()["mnist_batchnorm"], misconceptions=tuple)
    for entry in all_checks()["mnist_batchnorm"].misconceptions():
        assert failing(check, entry.functions) == {"replay"}, entry.id


def test_masks_show_what_the_repetition_of_steps_cannot() -> None:
    check = replace(all_checks()["mnist_dropout"], misconceptions=tuple)
    only = {
        entry.id
        for entry in all_checks()["mnist_dropout"].misconceptions()
        if failing(check, entry.functions) == {"masks"}
    }
    assert only == {
        "D3-keep-and-drop-swapped", "D21-threshold-swapped", "D17-mask-per-feature", "D17-mask-per-sample",
        "D19-reseeds", "D19-own-fixed-generator", "D9-mask-reused", "D22-one-number-for-all",
        "D22-normal-numbers", "D22-coin-flip",
    }  # fmt: skip


# -- the first step that differs is named -----------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 13])
def test_the_first_step_that_differs_is_named(step: int) -> None:
    sound = load_solution("optimizers").momentum
    calls = itertools.count()

    def momentum(param: Any, grad: Any, state: Any, lr: float = 1e-3) -> Any:
        new, state = sound(param, grad, state, lr)
        return (new if next(calls) // 6 + 1 < step else new + 1e-3), state

    result = run_check(all_checks()["mnist_momentum"], (momentum,))
    assert result.failure
    assert result.failure.what == f"parameters after step {step}"


@by_check
def test_hidden_steps_start_from_other_parameters_on_other_images(check) -> None:
    replay = next(a for a in check.aspects if a.name == "replay")
    starts = []
    for hidden, seed in ((False, 0), (True, 0), (True, 1)):
        case = replay.cases(np.random.default_rng(seed), hidden)[0]
        own = case.given.get("recipe") or replace(first_steps.RECIPE, seed=case.given["seed"])
        start, batches = first_steps.opening(own)
        starts.append((training.flatten(start), batches[0][0]))
    for one, other in itertools.combinations(starts, 2):
        assert not np.allclose(one[0], other[0])
        assert not np.allclose(one[1], other[1])


def test_images_of_the_first_steps_are_those_of_the_training() -> None:
    x, y = first_steps.images()
    data = training_data()
    assert len(x) == len(y) == len(data.train_x)
    assert x.shape[1] == 64
    assert np.array_equal(x, data.train_x)


# -- the form of what comes back --------------------------------------------------------------------

SIZES = (5, 4, 3, 10)
PLAIN = training.initial_parameters(SIZES, training.Recipe(dtype="float64"))
NORMED = training.initial_parameters(SIZES, training.Recipe(dtype="float64"), ScaleAndShift())
STATISTICS = [{"mean": np.zeros(n), "var": np.ones(n)} for n in (4, 3)]


def with_one(layers: Any, i: int, k: int, value: Any) -> Any:
    out = [list(layer) for layer in layers]
    out[i][k] = value
    return out


def test_what_is_right_is_read() -> None:
    assert training.flatten(read_parameters(PLAIN, SIZES)).size == training.flatten(PLAIN).size
    parameters, running = read_trained((NORMED, STATISTICS), SIZES)
    assert [len(layer) for layer in parameters] == [4, 4, 2]
    assert [r["mean"].shape for r in running] == [(4,), (3,)]
    bad = with_one(PLAIN, 0, 1, np.full(4, np.nan))  # that is wrong, but can be computed with
    assert np.isnan(read_parameters(bad, SIZES)[0][1]).all()
    half = [tuple(a.astype(np.float32) for a in layer) for layer in PLAIN]
    assert read_parameters(half, SIZES)[0][0].dtype == np.float32


ODD = [
    None, 5, "x", np.zeros(3), {}, [], [1, 2, 3], PLAIN[:2], [*PLAIN, PLAIN[0]], [(), (), ()],
    with_one(PLAIN, 0, 0, np.zeros((4, 5))), with_one(PLAIN, 0, 0, np.zeros((5, 4, 1))),
    with_one(PLAIN, 0, 1, np.zeros(1)), with_one(PLAIN, 0, 1, np.zeros(())),
    with_one(PLAIN, 0, 1, 0.0), with_one(PLAIN, 0, 1, [0.0] * 4), with_one(PLAIN, 0, 1, None),
    with_one(PLAIN, 0, 1, np.zeros((1_000_000, 1))), with_one(PLAIN, 0, 1, np.zeros((1, 4))),
    with_one(PLAIN, 2, 1, np.zeros((20_000, 10))), with_one(PLAIN, 1, 0, np.zeros((0, 3))),
    with_one(PLAIN, 0, 1, np.zeros(4, int)), with_one(PLAIN, 0, 1, np.zeros(4, bool)),
    with_one(PLAIN, 0, 1, np.zeros(4, complex)), with_one(PLAIN, 0, 1, np.array(["x"] * 4)),
    with_one(PLAIN, 0, 1, np.array([None] * 4)),
]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_parameters_of_another_form_are_refused(value: Any) -> None:
    with pytest.raises(WrongReturn):
        read_parameters(value, SIZES)
    with pytest.raises(WrongReturn):
        read_trained(value, SIZES)
    with pytest.raises(WrongReturn):
        read_trained((value, STATISTICS), SIZES)


@pytest.mark.parametrize(
    "value",
    [
        None, {}, [], STATISTICS[:1], [*STATISTICS, STATISTICS[0]], STATISTICS[::-1],
        [None, None], [[], []], [{"mean": np.zeros(4)}, STATISTICS[1]],
        *(
            [{**STATISTICS[0], name: wrong}, STATISTICS[1]]
            for name in ("mean", "var")
            for wrong in (
                0.0, None, np.zeros(()), np.zeros(1), np.zeros((1, 4)), np.zeros((1_000_000, 1)),
                np.zeros(4, int), np.zeros(4, complex),
            )
        ),
    ],
)  # fmt: skip
def test_statistics_of_another_form_are_refused(value: Any) -> None:
    with pytest.raises(WrongReturn):
        read_trained((NORMED, value), SIZES)


FORGED = {
    "mnist_batchnorm": "[[np.zeros((n, m)), *[np.zeros((200_000, 1))] * k]"
    " for n, m, k in ((64, 64, 3), (64, 64, 3), (64, 10, 1))],"
    " [dict(mean=np.zeros((200_000, 1)), var=np.ones((200_000, 1)))] * 2",
    "mnist_dropout": "[(np.zeros((n, m)), np.zeros((200_000, 1, 1)))"
    " for n, m in ((64, 64), (64, 64), (64, 10))]",
    "mnist_momentum": "[(np.zeros((n, m)), np.zeros((200_000, 1, 1)))"
    " for n, m in ((64, 64), (64, 32), (32, 10))]",
}


@pytest.mark.parametrize("name", FORGED)
def test_large_parameters_are_never_computed_with(name: str) -> None:
    check = all_checks()[name]
    forged = f"network.train = lambda *args, **named: ({FORGED[name]})"
    training_data()
    tracemalloc.start()
    result = graded(check, attack(check, forged))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.score == 0
    assert peak < 100e6  # bytes; broadcasting them takes gigabytes


def test_what_functions_keep_is_limited() -> None:
    small: dict[str, Any] = {"t": 3, "m": np.zeros(1000), "all": [np.zeros(10)] * 20, "o": object()}
    assert returned.kept(small, "state") is small
    endless: list[Any] = []
    endless.append(endless)
    wide = [1.0] * 1_000_000
    for value in (np.zeros(2_000_000), [np.zeros(1_000_000)] * 2, {"a": [wide]}, endless):
        with pytest.raises(WrongReturn, match="cache holds more than 10 MB"):
            returned.kept(value, "cache")


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_an_optimizer_that_keeps_all_gradients_is_right(name: str) -> None:
    sound = getattr(load_solution("optimizers"), name)

    def keeps_all(param: Any, grad: Any, state: Any, lr: float = 1e-3) -> Any:
        grads = [*state.get("grads", []), grad.copy()][-20:]
        new, own = sound(param, grad, state.get("own", {}), lr)
        return new, {"grads": grads, "own": own}

    result = run_check(all_checks()[f"mnist_{name}"], (keeps_all,))
    assert result.passed, result.text()
