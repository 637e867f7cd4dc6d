"""In which language do we speak? Every sentence that a person reads passes through here.

``_`` translates a sentence when it is shown; ``N_`` only marks one for translation, for sentences
that are declared in tables and shown later. Put values in with ``.format`` after translating.
"""

from __future__ import annotations

import gettext
from pathlib import Path

__all__ = ["N_", "_"]

_catalogue = gettext.translation(
    "autograder", localedir=Path(__file__).parents[1] / "locale", fallback=True
)


def _(message: str) -> str:
    """Return ``message`` in the reader's language (English when there is no translation)."""
    return _catalogue.gettext(message)


def N_(message: str) -> str:
    """Mark ``message`` for translation and return it unchanged."""
    return message
