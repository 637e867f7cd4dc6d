"""Which known mistake explains what was observed?

Each wrong implementation of the catalogue is run on the very cases that the student's functions were
run on. One that gives the same observations is the explanation. Two mistakes at once are found one
after the other: the entry that explains most failing aspects first, then the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autograder.engine.compare import Expectation, Mismatch
from autograder.engine.declare import Aspect, Case, Misconception, Observation
from autograder.engine.local import proxies
from autograder.engine.observe import observe
from autograder.student.outcome import Raised
from autograder.student.server import Memory

MAX_NAMED = 3


@dataclass(frozen=True)
class Trial:
    """One case of one aspect: what was seen, what was expected, what differs."""

    aspect: Aspect
    case: Case
    seen: Observation | Raised
    expected: Mapping[str, Expectation]
    mismatches: Mapping[str, Mismatch]

    @property
    def failed(self) -> bool:
        return bool(self.mismatches)


Response = tuple[Observation | Raised, bool]
"""What a catalogue entry shows on a case, and whether it fails."""

Place = tuple[str, int, tuple[str, ...]]
"""A check, the number of an entry in its catalogue, and the labels of all cases."""

_on_public_cases: dict[Place, list[list[Response]]] = {}


def expected_of(
    aspect: Aspect, case: Case, seen: Observation | Raised
) -> Mapping[str, Expectation]:
    """Return what is expected of the values of an observation."""
    return {} if isinstance(seen, Raised) else aspect.expect(case, seen)


def judge(
    aspect: Aspect, case: Case, seen: Observation | Raised, expected: Mapping[str, Expectation]
) -> Trial:
    """Compare an observation with what is expected, in the values that the aspect judges."""
    if isinstance(seen, Raised):
        how = seen.where
        return Trial(aspect, case, seen, {}, {"": Mismatch("", str(seen), how, float("inf"))})
    judged = _judged(aspect, expected)
    mismatches = {
        what: mismatch
        for what, expectation in judged.items()
        if (mismatch := expectation.mismatch(seen[what])) is not None
    }
    return Trial(aspect, case, seen, judged, mismatches)


def _judged(aspect: Aspect, expected: Mapping[str, Expectation]) -> Mapping[str, Expectation]:
    return {what: expected[what] for what in aspect.judges} if aspect.judges else expected


def fails(aspect: Aspect, case: Case, seen: Observation | Raised) -> bool:
    """Tell whether an observation is not as expected, in the values that the aspect judges."""
    if isinstance(seen, Raised):
        return True
    judged = _judged(aspect, aspect.expect(case, seen))
    return not all(expectation.holds(seen[what]) for what, expectation in judged.items())


def explain(
    trials: Sequence[Trial], catalogue: Callable[[], Sequence[Misconception]], public_of: str = ""
) -> tuple[tuple[Misconception, frozenset[str]], ...]:
    """Return the entries (at most three) that explain the failing trials, the likeliest first.

    With each comes the set of names of the aspects that it explains and no earlier one does. To be called inside
    :func:`.observe.quiet`.

    An entry explains an aspect when it fails on the same cases of it as the student's functions, with
    the same observations. Entries are ranked by the number of failing aspects they
    explain, less the number of aspects that they fail and the student's functions pass; among equals
    the earlier in the catalogue wins. ``catalogue`` builds the entries anew, for some remember earlier calls.
    ``public_of`` names the check if the trials are those on its public cases: what its catalogue does there is
    found out once per process.
    """
    by_aspect: dict[str, list[Trial]] = defaultdict(list)
    for trial in (t for t in trials if t.aspect.explains):
        by_aspect[trial.aspect.name].append(trial)
    failing = {name for name, group in by_aspect.items() if any(t.failed for t in group)}

    if not failing:
        return ()
    groups = list(by_aspect.values())
    labels = tuple(trial.case.label for group in groups for trial in group)

    def shown(i: int, entry: Misconception) -> Iterator[Iterator[Response]]:
        return _shown(entry, groups, (public_of, i, labels) if public_of else None)

    for i, entry in enumerate(catalogue()):  # none can rank before one that explains everything
        if all(all(_agree(groups[k], group)) for k, group in enumerate(shown(i, entry))):
            return ((entry, frozenset(failing)),)

    explains: dict[int, set[str]] = {}
    contradicts: dict[int, int] = {}
    entries = catalogue()
    for i, entry in enumerate(entries):
        found, against, left = set(), 0, len(failing)
        for (name, trials_of), theirs in zip(by_aspect.items(), shown(i, entry), strict=True):
            same = all(list(_agree(trials_of, theirs)))  # of all, for entries that remember calls
            if name in failing:
                left -= 1
                found |= {name} if same else set()
            else:
                against += not same
            if not public_of and len(found) + left <= against:
                break  # whatever comes, it will not be named
        else:
            explains[i], contradicts[i] = found, against

    named: list[tuple[Misconception, frozenset[str]]] = []
    open_aspects = set(failing)
    while open_aspects and len(named) < MAX_NAMED:
        scores = {i: len(explains[i] & open_aspects) - contradicts[i] for i in explains}
        best = max(scores, key=lambda i: (scores[i], -i), default=None)
        if best is None or scores[best] <= 0:
            break
        named.append((entries[best], frozenset(explains[best] & open_aspects)))
        open_aspects -= explains[best]
    return tuple(named)


def _shown(
    entry: Misconception, groups: Sequence[Sequence[Trial]], place: Place | None
) -> Iterator[Iterator[Response]]:
    """Return what an entry shows on each case of each aspect, and whether it fails there.

    Public cases are the same for all students: kept under ``place``. On hidden ones, an entry is only run as far as
    it is asked, and whether it fails where the student's functions do is not.
    """
    made: dict[tuple[int, Any], Observation | Raised] = {}
    copying = proxies(entry.functions, Memory())

    def response(trial: Trial, ask: bool) -> Response:
        aspect, case = trial.aspect, trial.case
        key = id(case), aspect.observe
        if key not in made:
            # Between the calls of one observation it shows that arguments and results are copies.
            one_call = getattr(aspect.observe, "one_call", False)
            made[key] = observe(aspect, entry.functions if one_call else copying, case)
        seen = made[key]
        return seen, ask and fails(aspect, case, seen)

    if place is None:
        return ((response(t, ask=not t.failed) for t in group) for group in groups)
    if place not in _on_public_cases:
        _on_public_cases[place] = [[response(t, ask=True) for t in g] for g in groups]
    return map(iter, _on_public_cases[place])


def _agree(group: Sequence[Trial], theirs: Iterator[Response]) -> Iterator[bool]:
    """Tell for each case whether an entry fails there if the student's functions do, and alike."""
    for trial, (seen, failed) in zip(group, theirs, strict=True):
        yield _alike(trial, seen) if trial.failed else not failed


def _alike(trial: Trial, theirs: Observation | Raised) -> bool:
    """Tell whether another observation shows the very mismatches of a failed trial."""
    if isinstance(trial.seen, Raised) or isinstance(theirs, Raised):
        return (
            isinstance(trial.seen, Raised)
            and isinstance(theirs, Raised)
            and (trial.seen.type == theirs.type)
        )
    return all(
        trial.expected[what].same(trial.seen[what], theirs[what]) for what in trial.mismatches
    )
