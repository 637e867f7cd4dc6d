"""What is a check made of? The types in which an assignment declares what it proves.

A :class:`Check` belongs to one student function (or a pair that works together) and scores several
:class:`Aspect` s. An aspect calls the functions on its cases, *observes* what comes back as a dict of
named values, and says what each value was *expected* to be. Because an observation is plain data, the
observation of a known wrong implementation can be compared with the student's: that is how a mistake
gets its name (see :mod:`autograder.engine.diagnosis`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.engine.compare import Expectation

Functions = tuple[Callable[..., Any], ...]
"""The student's functions, in the order in which the check takes them."""

Observation = dict[str, Any]
"""What was seen: a label that a student understands, and a plain value or array."""


@dataclass(frozen=True)
class Case:
    """One situation in which the student's functions are called.

    Attributes
    ----------
    label:
        The situation as a student should read it, such as ``"p = 0.2, x of shape (2, 3)"``.
    given:
        Arguments for the aspect's ``observe``. Never modified: ``observe`` passes copies on.
    show:
        Names of the entries of ``given`` that are printed when the case fails.
    beside:
        Per observed value what is printed when that value is the one that is shown, name → value: of
        a long computation only the step at which it goes wrong.
    only:
        Name of the one aspect that judges this case; empty for all aspects that share it. For edge
        cases: who gets one wrong loses the aspect that is about it, and no other.
    """

    label: str
    given: Mapping[str, Any]
    show: tuple[str, ...] = ()
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    only: str = ""

    def __getattr__(self, name: str) -> Any:
        try:
            return self.given[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Aspect:
    """One thing that a check scores.

    Aspects with the same ``cases`` and ``observe`` share what was seen: the functions are called once for all of them.

    Attributes
    ----------
    name:
        Short name for tables, such as ``"scaling"``.
    says:
        What a correct function does, in one sentence.
    weight:
        Share of the check's points, relative to the other aspects. An aspect of weight 0 is not
        scored: it is shown and diagnosed when a scored one fails.
    cases:
        ``cases(rng, hidden)`` draws the cases, smallest first.
    observe:
        ``observe(functions, case)`` calls the student's functions and returns what was seen.
    expect:
        ``expect(case, seen)`` returns the expectation for each observed value that is judged.
    judges:
        Names of the values that are judged; empty for all that ``expect`` returns.
    explains:
        Whether a known mistake is looked for in what was seen; False where repeating the observation
        for every catalogue entry would take too long.
    main:
        Whether it is the main idea of the function: who fails it gets at most
        :data:`.scoring.MAIN_IDEA` of the check's points.
    contract:
        Whether a function that does nothing of what was asked can have it (keeping the input as it is,
        refusing what is invalid). It earns only if an aspect holds for which one has to do something.
    """

    name: str
    says: str
    weight: float
    cases: Callable[[np.random.Generator, bool], Sequence[Case]]
    observe: Callable[[Functions, Case], Observation]
    expect: Callable[[Case, Observation], Mapping[str, Expectation]]
    judges: tuple[str, ...] = ()
    explains: bool = True
    main: bool = False
    contract: bool = False


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation that people write, and what to tell them.

    Attributes
    ----------
    id:
        Short and stable, such as ``"D1-unscaled"``.
    says:
        What is probably wrong and where to look, in at most two sentences.
    functions:
        The wrong implementation, as the check takes it.
    """

    id: str
    says: str
    functions: Functions


@dataclass(frozen=True)
class Check:
    """What is proven about one student function.

    Attributes
    ----------
    name:
        Name of the check: what follows ``check.`` in a notebook.
    assignment:
        Name of the assignment it belongs to.
    proves:
        What a pass proves, in one sentence.
    takes:
        Names of the student functions that the check takes, in order.
    aspects:
        What is scored.
    misconceptions:
        Returns the catalogue entries for this check, in the order in which ties are broken.
        A function, so that the catalogue is built anew whenever something failed: a wrong
        implementation may remember earlier calls, which must not be those of another student.
    seconds:
        The student's functions may run this long in all, wall time.
    partial:
        Whether aspects that hold earn their share when others don't. False for repairs: the broken
        function that students are given already has most aspects right.
    remark:
        Returns a sentence that must be seen with the result, or an empty string.
    """

    name: str
    assignment: str
    proves: str
    takes: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    misconceptions: Callable[[], Sequence[Misconception]] = field(default=tuple)
    seconds: float = 10.0
    partial: bool = True
    remark: Callable[[], str] = str
