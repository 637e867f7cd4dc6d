"""Which known mistake explains what was observed?

Each wrong implementation of the catalogue is run on the very cases that the student's functions were
run on. One that gives the same observations is the explanation. Two mistakes at once are found one
after the other: the entry that explains most failing aspects first, then the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.engine.compare import Expectation, Mismatch, Raised
from autograder.engine.declare import Aspect, Case, Misconception, Observation
from autograder.engine.observe import Captured, observe

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


def judge(aspect: Aspect, case: Case, seen: Observation | Raised) -> Trial:
    """Compare an observation with what the aspect expects of it."""
    if isinstance(seen, Raised):
        how = seen.where
        return Trial(aspect, case, seen, {}, {"": Mismatch("", str(seen), how, float("inf"))})
    expected = aspect.expect(case, seen)
    mismatches = {
        what: mismatch
        for what, expectation in expected.items()
        if (mismatch := expectation.mismatch(seen[what])) is not None
    }
    return Trial(aspect, case, seen, expected, mismatches)


def explain(
    trials: Sequence[Trial], catalogue: Sequence[Misconception]
) -> tuple[tuple[Misconception, frozenset[str]], ...]:
    """Return the entries (at most three) that explain the failing trials, the likeliest first.

    With each comes the set of names of the aspects that it explains and no earlier one does.

    An entry explains an aspect when it fails on the same cases of it as the student's functions, with
    the same observations. Entries are ranked by the number of failing aspects they
    explain, less the number of aspects that they fail and the student's functions pass; among equals
    the earlier in the catalogue wins.
    """
    by_aspect: dict[str, list[Trial]] = defaultdict(list)
    for trial in (t for t in trials if t.aspect.explains):
        by_aspect[trial.aspect.name].append(trial)
    failing = {name for name, group in by_aspect.items() if any(t.failed for t in group)}

    if not failing:
        return ()
    under_way = [_agreement(entry, by_aspect) for entry in catalogue]
    agreed: list[dict[str, bool]] = [{} for _entry in catalogue]
    for i, steps in enumerate(under_way):
        for name, same in steps:
            agreed[i][name] = same
            if not same:
                break
        else:  # it explains everything and contradicts nothing, so none can be likelier
            return ((catalogue[i], frozenset(failing)),)

    explains: dict[int, set[str]] = {}
    contradicts: dict[int, int] = {}
    for i, steps in enumerate(under_way):
        agreed[i].update(steps)
        explains[i] = {name for name, same in agreed[i].items() if same and name in failing}
        contradicts[i] = sum(not same for name, same in agreed[i].items() if name not in failing)

    named: list[tuple[Misconception, frozenset[str]]] = []
    open_aspects = set(failing)
    while open_aspects and len(named) < MAX_NAMED:
        scores = {i: len(explains[i] & open_aspects) - contradicts[i] for i in explains}
        best = max(scores, key=lambda i: (scores[i], -i), default=None)
        if best is None or scores[best] <= 0:
            break
        named.append((catalogue[best], frozenset(explains[best] & open_aspects)))
        open_aspects -= explains[best]
    return tuple(named)


def _agreement(
    entry: Misconception, by_aspect: Mapping[str, Sequence[Trial]]
) -> Iterator[tuple[str, bool]]:
    """Yield, for one aspect after the other, whether an entry shows what the student's functions showed.

    An entry may remember earlier calls, so all cases of an aspect are run, and aspects in their order.
    """
    for name, group in by_aspect.items():
        theirs = [observe(t.aspect, entry.functions, t.case, Captured()) for t in group]
        yield (
            name,
            all(
                _alike(t, seen) if t.failed else not judge(t.aspect, t.case, seen).failed
                for t, seen in zip(group, theirs, strict=True)
            ),
        )


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
