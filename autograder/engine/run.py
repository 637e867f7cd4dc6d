"""How is a check carried out? Calls the functions on every case, judges, and looks for the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from autograder.engine.colocate import ahead
from autograder.engine.compare import Expectation
from autograder.engine.declare import Aspect, Case, Check, Functions, Misconception, Observation
from autograder.engine.diagnosis import Trial, expected_of, explain, judge
from autograder.engine.limits import OutOfTime, time_limit
from autograder.engine.messages import _
from autograder.engine.observe import observe
from autograder.engine.results import AspectResult, CheckResult, Ending, Failure, Named
from autograder.student.outcome import Captured, Raised, kept_global_random_state, quiet

PUBLIC_SEED = 4  # with it the smallest dropout cases have kept and dropped units


def run_check(
    check: Check, functions: tuple[Callable[..., Any], ...], hidden_seed: int | None = None
) -> CheckResult:
    """Run ``check`` on the student's ``functions``.

    Parameters
    ----------
    check:
        What to check.
    functions:
        The student's functions, in the order of ``check.takes``.
    hidden_seed:
        None for the public cases; a secret integer for hidden ones drawn from it.

    Returns
    -------
    CheckResult
        Whether each aspect holds, the smallest failing case, and the mistakes that explain it.
        Student code cannot make this raise: an exception or an endless loop is a failed aspect.
    """
    with kept_global_random_state():
        return _run(check, functions, hidden_seed)


def _run(
    check: Check, functions: tuple[Callable[..., Any], ...], hidden_seed: int | None
) -> CheckResult:
    printed = Captured()
    trials: list[Trial] = []
    complete: set[str] = set()
    out_of_time = False
    try:
        with time_limit(check.seconds):
            run_trials(check, functions, hidden_seed, printed, trials, complete)
    except OutOfTime:
        out_of_time = True
    failed = {t.aspect.name for t in trials if t.failed}
    # The aspect that was cut short, and all that follow, have not been shown to hold.
    failed |= {a.name for a in check.aspects if a.name not in complete}

    unwritten = all(t.failed for t in trials) and any(
        isinstance(t.seen, Raised) and t.seen.type == "NotImplementedError" for t in trials
    )
    ending: Ending = "complete"
    if unwritten or out_of_time:
        ending = "not written" if unwritten else "out of time"
    explained: tuple[tuple[Misconception, frozenset[str]], ...] = ()
    if failed and ending == "complete":
        public_of = check.name if hidden_seed is None else ""
        with quiet(Captured()):
            explained = explain(trials, check.misconceptions, public_of)
    named = tuple(
        Named(m.id, m.says, tuple(a.name for a in check.aspects if a.name in names))
        for m, names in explained
    )
    unexplained = failed.difference(*(n.aspects for n in named))
    shown = unexplained or set(named[0].aspects if named else ())
    first = next((t for t in trials if t.failed and t.aspect.name in shown), None)
    return CheckResult(
        check=check.name,
        assignment=check.assignment,
        proves=check.proves,
        hidden=hidden_seed is not None,
        aspects=tuple(
            AspectResult(a.name, a.says, a.weight, a.name not in failed, a.main, a.contract)
            for a in check.aspects
        ),
        failure=_failure(first) if first and ending != "not written" else None,
        named=named,
        note=_note(check, ending),
        ending=ending,
        printed=printed.getvalue(),
        partial=check.partial,
        remark=check.remark(),
    )


def run_trials(
    check: Check,
    functions: tuple[Callable[..., Any], ...],
    hidden_seed: int | None,
    printed: Captured,
    trials: list[Trial],
    complete: set[str],
) -> None:
    """Append a trial to ``trials`` for every case of every aspect, and its name to ``complete`` after the last.

    Both are kept when a limit cuts this short.
    """
    looks: dict[Any, tuple[Sequence[Case], list[Observation | Raised]]] = {}
    expected: dict[Any, list[Mapping[str, Expectation]]] = {}
    for i, aspect in enumerate(check.aspects):
        look = aspect.cases, aspect.observe
        ended: OutOfTime | None = None
        if look not in looks:
            looks[look] = _cases(aspect, i, hidden_seed), []
            try:
                with quiet(printed):
                    _observe_all(aspect, functions, *looks[look])
            except OutOfTime as error:
                ended = error
        cases, seen = looks[look]
        judged = (*look, aspect.expect)
        if judged not in expected:
            expected[judged] = [expected_of(aspect, *c) for c in zip(cases, seen, strict=False)]
        for case, observed, wanted in zip(cases, seen, expected[judged], strict=False):
            if case.only in ("", aspect.name):
                trials.append(judge(aspect, case, observed, wanted))
        if ended is not None:
            raise ended
        complete.add(aspect.name)


def _cases(aspect: Aspect, i: int, hidden_seed: int | None) -> Sequence[Case]:
    """Draw the cases of the aspect that is number ``i`` in its check."""
    if hidden_seed is not None:
        return aspect.cases(np.random.default_rng([hidden_seed, i]), True)
    key = aspect.cases, i
    if key in _public_cases:
        return _public_cases[key]
    cases = aspect.cases(np.random.default_rng([PUBLIC_SEED, i]), False)
    if getattr(aspect.observe, "one_call", False):  # those of training hold the data set
        _public_cases[key] = cases
    return cases


_public_cases: dict[Any, Sequence[Case]] = {}
"""Cases that are the same for every student, by the function that draws them and the number of the aspect."""


def _observe_all(
    aspect: Aspect, functions: Functions, cases: Sequence[Case], seen: list[Observation | Raised]
) -> None:
    """Append to ``seen`` what is seen on each case."""
    observations = [partial(observe, aspect, functions, case) for case in cases]
    if getattr(aspect.observe, "one_call", False):
        seen.extend(ahead(functions, observations))
    else:
        seen.extend(observation() for observation in observations)


def _failure(trial: Trial) -> Failure:
    what, mismatch = next(iter(trial.mismatches.items()))
    given = {name: trial.case.given[name] for name in trial.case.show}
    return Failure(
        aspect=trial.aspect.name,
        case=trial.case.label,
        given=tuple({**given, **trial.case.beside.get(what, {})}.items()),
        what=what,
        expected=mismatch.expected,
        actual=mismatch.actual,
        how=mismatch.how,
        raised=trial.seen.type if isinstance(trial.seen, Raised) else None,
    )


def _note(check: Check, ending: Ending) -> str:
    names = ", ".join(check.takes)
    if ending == "not written":
        return _("{names}: not written yet (NotImplementedError).").format(names=names)
    if ending == "out of time":
        return _(
            "{names} did not finish within {seconds:g} s. Either a loop never ends, or each call does far "
            "more than it has to, such as going through all earlier calls again."
        ).format(names=names, seconds=check.seconds)
    return ""
