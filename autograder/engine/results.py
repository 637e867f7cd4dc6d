"""What came out of a check? Its score, and its face as text, HTML and JSON."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from autograder.engine.compare import show
from autograder.engine.messages import _
from autograder.engine.scoring import MAIN_IDEA, share_of

MIME = "application/vnd.autograder.result+json"
WIDTH = 100
CELL = "text-align:left;padding:0.1em 0.6em"
Ending = Literal["complete", "not written", "out of time"]
MAX_LINES = 15


@dataclass(frozen=True)
class AspectResult:
    """Whether one aspect holds. One of weight 0 is shown as a hint when the check fails, not scored."""

    name: str
    says: str
    weight: float
    passed: bool
    main: bool = False
    contract: bool = False


@dataclass(frozen=True)
class Failure:
    """The smallest failing case of the aspect that is shown.

    ``raised`` is the type of the exception if the student's function raised one, empty if its result
    was of the wrong kind, None if its values differ.
    """

    aspect: str
    case: str
    given: tuple[tuple[str, Any], ...]
    what: str
    expected: str
    actual: str
    how: str
    raised: str | None

    def lines(self) -> list[str]:
        """Return the case as lines of text: arguments, expected and actual value, difference."""
        lines = [_("Smallest failing case: {case}").format(case=self.case)]
        rows = [
            (f"{name} =", show(value) if isinstance(value, np.ndarray) else str(value))
            for name, value in self.given
        ]
        if self.raised is not None:
            label = _("your function raised") if self.raised else _("your result")
            rows.append((label, self.actual))
        else:
            rows.append((_("expected {what}").format(what=self.what), self.expected))
            rows.append((_("yours"), self.actual))
        width = max(len(label) for label, _text in rows)
        for label, text in rows:
            lines += textwrap.indent(text, " " * (width + 4)).splitlines()
            first = len(lines) - len(text.splitlines() or [""])
            lines[first] = f"  {label:>{width}}  " + lines[first][width + 4 :]
        if self.how:
            lines.append(f"  ({self.how})")
        return lines


@dataclass(frozen=True)
class Named:
    """A known mistake that explains the failure of some aspects."""

    id: str
    says: str
    aspects: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    ``score`` is the share of the check's points that was reached, from 0 to 1. ``note`` replaces the
    failing case when there is nothing to compare (not written, out of time, could not run); ``remark``
    must be seen in any case; ``ending`` tells whether the functions were written and finished in time.
    """

    check: str
    assignment: str
    proves: str
    hidden: bool
    aspects: tuple[AspectResult, ...]
    failure: Failure | None = None
    named: tuple[Named, ...] = ()
    note: str = ""
    printed: str = ""
    partial: bool = True
    remark: str = ""
    ending: Ending = "complete"

    @property
    def passed(self) -> bool:
        """True when every scored aspect holds (and there is at least one)."""
        scored = [a for a in self.aspects if a.weight]
        return bool(scored) and all(a.passed for a in scored)

    @property
    def score(self) -> float:
        """The share of the points that this run alone would earn; see :mod:`.scoring`."""
        return share_of([self]).value

    def summary(self) -> str:
        """Return one line: what was checked and how much of it holds."""
        kind = _(" on hidden cases") if self.hidden else ""
        if self.passed:
            return _("✓ {check}{kind}: all {n} aspects hold.").format(
                check=self.check, kind=kind, n=sum(a.weight > 0 for a in self.aspects)
            )
        return _(
            "✗ {check}{kind}: {n} of {total} aspects hold ({percent:.0f} % of the points)."
        ).format(
            check=self.check,
            kind=kind,
            n=sum(a.passed for a in self.aspects if a.weight),
            total=sum(a.weight > 0 for a in self.aspects),
            percent=100 * self.score,
        )

    def limit(self) -> str:
        """Return why the aspects that hold earn less than their weight, in one sentence, or nothing."""
        share = share_of([self])
        missing = ", ".join(share.missing)
        return share.limit and _(share.limit).format(percent=100 * MAIN_IDEA, aspects=missing)

    def reason(self) -> str:
        """Return the shortest explanation of a failure: the named mistake, the note, or the aspect."""
        if self.passed:
            return ""
        if self.named:
            return self._probably(self.named[0])
        if self.note:
            return self.note
        if self.failure and self.failure.raised is not None:
            return "\n".join(x for x in (self.failure.actual, self.failure.how) if x)
        failed = next(a for a in self.aspects if not a.passed)
        return _("Not so: {says}.").format(says=_(failed.says))

    def _probably(self, mistake: Named) -> str:
        """Return the sentence of a named mistake, with its aspects unless it explains them all."""
        failed = {a.name for a in self.aspects if not a.passed}
        if failed <= set(mistake.aspects):
            return _("Probably: ") + _(mistake.says)
        return _("Probably ({aspects}): ").format(aspects=", ".join(mistake.aspects)) + _(
            mistake.says
        )

    def text(self) -> str:
        """Return the result as at most 15 lines of plain text."""
        remark = [self.remark] if self.remark else []
        if self.passed:
            return "\n  ".join([self.summary(), *remark, _(self.proves)])
        if self.note and self.failure is None:
            return "\n  ".join([self.summary(), *remark, self.note])
        failed = [a for a in self.aspects if not a.passed]
        shown = self.failure.aspect if self.failure else failed[0].name
        failed.sort(key=lambda a: a.name != shown)
        held = [a for a in self.aspects if a.passed]
        lines = [self.summary(), *remark, _fit(f"  ✗ {failed[0].name}: {_(failed[0].says)}")]
        if failed[1:]:
            lines.append(_fit("  ✗ " + ", ".join(a.name for a in failed[1:])))
        case = [_fit(line) for line in self.failure.lines()] if self.failure else []
        tail = [self.note] if self.note else [self._probably(m) for m in self.named]
        tail.insert(1, self.limit())
        wrapped = [textwrap.wrap(says, WIDTH, subsequent_indent="  ") for says in tail]
        first = len(lines) + len(case) + sum(map(len, wrapped[:2]))
        if held and first < MAX_LINES:  # else the reasons need the room
            lines.append(_fit("  ✓ " + ", ".join(a.name for a in held)))
        lines += case
        for says in wrapped:
            if len(lines) + len(says) <= MAX_LINES:
                lines += says
        return "\n".join(lines)

    def html(self) -> str:
        """Return the result as HTML: a table of all aspects, then the failing case and its reason."""
        esc = html.escape
        rows = "".join(
            f'<tr><td style="{CELL}">{"✓" if a.passed else "✗"}</td>'
            f'<td style="{CELL}"><b>{esc(a.name)}</b></td><td style="{CELL}">{esc(_(a.says))}</td></tr>'
            for a in self.aspects
        )
        out = [f"<b>{esc(self.summary())}</b>"]
        if self.remark:
            out.append(f"<p>{esc(self.remark)}</p>")
        if limit := self.limit():
            out.append(f"<p>{esc(limit)}</p>")
        if self.passed:
            out.append(
                f"<details><summary>{esc(_(self.proves))}</summary><table>{rows}</table></details>"
            )
        else:
            out.append(f"<table>{rows}</table>")
        if self.failure:
            out.append(f"<pre>{esc(chr(10).join(self.failure.lines()))}</pre>")
        if self.note:
            out.append(f"<p>{esc(self.note)}</p>")
        out += [
            f'<p style="border-left:3px solid #d55e00;padding-left:0.7em">{esc(self._probably(m))}</p>'
            for m in self.named
        ]
        if self.printed.strip():
            label = _("What your functions printed during the check")
            out.append(
                f"<details><summary>{esc(label)}</summary><pre>{esc(self.printed)}</pre></details>"
            )
        return "\n".join(out)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON data."""
        data = asdict(self)
        if self.failure:
            data["failure"]["given"] = [[k, show(v)] for k, v in self.failure.given]
        return data | {"passed": self.passed, "score": self.score}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckResult:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        ValueError
            If ``data`` is not of that form.
        """
        try:
            failure = data["failure"]
            return cls(
                check=str(data["check"]),
                assignment=str(data["assignment"]),
                proves=str(data["proves"]),
                hidden=bool(data["hidden"]),
                aspects=tuple(
                    AspectResult(
                        str(a["name"]),
                        str(a["says"]),
                        float(a["weight"]),
                        a["passed"] is True,
                        a["main"] is True,
                        a["contract"] is True,
                    )
                    for a in data["aspects"]
                ),
                failure=Failure(**{**failure, "given": tuple((k, v) for k, v in failure["given"])})
                if failure
                else None,
                named=tuple(
                    Named(str(m["id"]), str(m["says"]), tuple(map(str, m["aspects"])))
                    for m in data["named"]
                ),
                note=str(data["note"]),
                printed=str(data["printed"]),
                partial=data["partial"] is True,
                remark=str(data["remark"]),
                ending=get_args(Ending)[get_args(Ending).index(data["ending"])],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a check result: {error!r}") from error

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return {"text/plain": self.text(), "text/html": self.html(), MIME: self.to_dict()}


def _fit(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
