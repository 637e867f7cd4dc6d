"""What may a text from outside do to a terminal or a log? It may be read, and nothing else.

Names of files and students, sentences that quote a student's values, printed text: before any of it is
printed or logged it passes through :func:`line`, or through :func:`lines` where line breaks are kept.
"""

from __future__ import annotations

import re
import unicodedata

from autograder.engine.messages import _

LINE, BLOCK = 2_000, 50_000
"""Characters that are kept of one line and of a text of several lines."""

JOINERS = "\u200c\u200d"  # part of words in some scripts; they move nothing
COMMANDS = (
    (re.compile(":(?=:)"), ": "),  # GitHub: ::error::, also behind blanks
    (re.compile(r"##(?=\s*\w*\[)"), "# #"),  # Azure, TeamCity: ##[error], ##vso[…], anywhere
)


def line(text: object, limit: int = LINE) -> str:
    r"""Return a text as one line that neither a terminal nor a CI system takes for a command.

    Line breaks and tabs become blanks; other control characters, those that turn the direction of
    writing, and lone surrogates become escapes like ``\x1b``.

    Parameters
    ----------
    text:
        Anything; ``str(text)`` is shown.
    limit:
        The number of characters that are kept.
    """
    parts = str(text)[: 10 * limit].replace("\t", " ").splitlines()
    return lines(" ".join(part.strip() for part in parts), limit)


def lines(text: object, limit: int = BLOCK) -> str:
    """Return a text as :func:`line` does, but keep its line feeds and tabs."""
    whole = str(text)
    plain = "".join(map(_visible, whole[:limit]))
    for pattern, harmless in COMMANDS:
        plain = pattern.sub(harmless, plain)
    left = len(whole) - limit
    return plain + _(" … ({n} characters more)").format(n=left) if left > 0 else plain


def _visible(character: str) -> str:
    if character.isprintable() or character in JOINERS or character in "\n\t":
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")
