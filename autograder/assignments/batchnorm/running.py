"""What happens to the running statistics? Aspects of every function that updates them.

The batches have few rows (2 to 7): there the biased and the unbiased variance differ by 15 to 50 percent.
They have unequal sizes, and other numbers of rows than of features.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.assignments.batchnorm import oracle
from autograder.engine.colocate import colocate, one_call
from autograder.engine.compare import Close, Expectation, Raises, Unchanged
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_, _
from autograder.engine.observe import array, attempt
from autograder.student.networks.batchnorm import fresh, updates
from autograder.student.outcome import WrongReturn

Array = NDArray[Any]
Rng = np.random.Generator
Running = dict[str, Array]
SIZES = (4, 2, 7, 3, 5)  # rows of successive batches: unequal, and never the number of features


def batch(rng: Rng, n: int, d: int) -> Array:
    """Draw a batch (n, d) whose columns differ in mean and spread, none of them standardized already."""
    columns = rng.choice([-1.0, 1.0], d) * rng.uniform(0.5, 2.0, d)
    spread = rng.uniform(1.5, 3.0, d)
    return np.asarray(np.round(columns + spread * rng.standard_normal((n, d)), 2))


def statistics(rng: Rng, d: int) -> Running:
    """Draw running statistics of ``d`` features that have seen some training already."""
    return {
        "mean": np.round(rng.uniform(-2, 2, d), 2),
        "var": np.round(rng.uniform(1.5, 4, d), 2),
    }


def read(running: Any) -> Running:
    """Return the running statistics that a student's function returned.

    Raises
    ------
    WrongReturn
        If they are not a dict with arrays ``mean`` and ``var``.
    """
    if not isinstance(running, dict) or not {"mean", "var"} <= running.keys():
        got = sorted(map(str, running)) if isinstance(running, dict) else type(running).__name__
        raise WrongReturn(
            _("running should be a dict with the keys 'mean' and 'var', got {got}").format(got=got)
        )
    return {name: array(running[name], f"running[{name!r}]") for name in ("mean", "var")}


def running_aspects(by_forward: bool) -> list[Aspect]:
    """Return what a function that updates running statistics is scored for; see :func:`.network.updates`."""

    def one_batch(rng: Rng, n: int, d: int, momentum: float, first: bool) -> Case:
        x = batch(rng, n, d)
        where = "first batch" if first else "a later batch"
        running = fresh(d) if first else statistics(rng, d)
        given = {"running": running, "batches": [x], "momentum": momentum, "x": x}
        label = f"momentum = {momentum:g}, x of shape ({n}, {d}), {where}"
        return Case(label, given, ("x",) if n == 2 else ())

    def many_batches(rng: Rng, sizes: Sequence[int], d: int, momentum: float) -> Case:
        batches = [batch(rng, n, d) for n in sizes]
        given = {"running": fresh(d), "batches": batches, "momentum": momentum}
        rows = ", ".join(map(str, sizes))
        return Case(f"momentum = {momentum:g}, after batches of {rows} rows", given)

    def cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        out = [
            one_batch(rng, 2, 3, 0.1, first=True),
            one_batch(rng, 4, 3, 0.3, first=False),
            one_batch(rng, 3, 3, 0.3, first=False),
            many_batches(rng, SIZES, 3, 0.1),
        ]
        if hidden:
            sizes = [int(n) for n in rng.integers(2, 9, 8)]
            edges = [
                many_batches(rng, sizes, 1, float(rng.uniform(0.05, 0.45))),
                one_batch(rng, 3, 5, 1.0, first=False),
                one_batch(rng, 5, 4, 0.0, first=False),
            ]
            out += [
                *(replace(edge, only="running variance") for edge in edges),
                many_batches(rng, sizes, 2, float(rng.uniform(0.05, 0.45))),
                one_batch(rng, 3, 5, 0.9, first=False),
                one_batch(rng, 4, 4, float(rng.uniform(0.05, 0.45)), first=False),
            ]
        return out

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        running = colocate(
            updates,
            f[:1],
            by_forward=by_forward,
            running=c.running,
            batches=list(c.batches),
            momentum=c.momentum,
        )
        return {f"running {name}": value for name, value in read(running).items()}

    def expect(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        running = c.running
        for x in c.batches:
            running = oracle.update_running(running, x, c.momentum)
        return {f"running {name}": Close(value) for name, value in running.items()}

    return [
        Aspect(
            "running mean",
            N_("it is (1 - momentum) * old + momentum * batch mean"),
            2,
            cases,
            observe,
            expect,
            judges=("running mean",),
            main=True,
        ),
        Aspect(
            "running variance",
            N_("it is (1 - momentum) * old + momentum * unbiased batch variance"),
            3,
            cases,
            observe,
            expect,
            judges=("running var",),
        ),
    ]


def update_aspects() -> list[Aspect]:
    """Return what ``update_running_stats`` is scored for besides its result."""

    def kept_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        x, running = batch(rng, 3, 3), statistics(rng, 3)
        given = {"x": x, "running": running, "momentum": 0.3}
        return [Case("momentum = 0.3, x of shape (3, 3)", given)]

    @one_call
    def observe_kept(f: Functions, c: Case) -> Observation:
        x, running = c.x.copy(), copy.deepcopy(c.running)
        f[0](running, x, c.momentum)
        return {"x after the call": x, **after(running)}

    def expect_kept(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"x after the call": Unchanged(c.x), **unchanged(c.running)}

    def single_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        given = {"x": batch(rng, 1, 3), "running": statistics(rng, 3), "momentum": 0.1}
        return [Case("x of shape (1, 3)", given)]

    def shape_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        x, running = batch(rng, 4, 3), statistics(rng, 3)
        narrow = {**running, "var": np.ones(1)}
        wrong: list[tuple[str, Array, Running]] = [
            ("x of shape (3,)", x[0], running),
            ("x of shape (2, 4, 3)", np.stack([x, x]), running),
            ("x of shape (4, 3), running['var'] of shape (1,)", x, narrow),
        ]
        return [Case(k, {"x": a, "running": r, "momentum": 0.1}) for k, a, r in wrong]

    @one_call
    def observe_invalid(f: Functions, c: Case) -> Observation:
        call = lambda: f[0](copy.deepcopy(c.running), c.x.copy(), c.momentum)  # noqa: E731
        return {"exception": attempt(call)}

    return [
        Aspect(
            "inputs kept",
            N_("running and x are not modified: the new statistics come in a new dict"),
            1,
            kept_cases,
            observe_kept,
            expect_kept,
            contract=True,
        ),
        Aspect(
            "batch of one",
            N_("a batch of one raises ValueError: it has no unbiased variance"),
            1,
            single_cases,
            observe_invalid,
            expect_error,
            contract=True,
        ),
        Aspect(
            "invalid shapes",
            N_("an x that is not (N, D), or statistics that are not (D,), raise ValueError"),
            1,
            shape_cases,
            observe_invalid,
            expect_error,
            contract=True,
        ),
    ]


def after(running: Any) -> Observation:
    """Return what is in the dict of running statistics that was handed to a function."""
    return {
        f"running[{name!r}] after the call": array(running.get(name), name)
        for name in ("mean", "var")
    }


def unchanged(running: Running) -> dict[str, Expectation]:
    """Expect the dict of running statistics to be as it was, see :func:`after`."""
    return {f"running[{name!r}] after the call": Unchanged(running[name]) for name in running}


def expect_error(c: Case, seen: Observation) -> Mapping[str, Expectation]:
    """Expect the observed ``exception`` to be a ValueError."""
    return {"exception": Raises("ValueError")}
