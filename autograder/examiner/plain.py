"""Can this text be stored? Lone surrogates (U+D800 to U+DFFF) cannot: no file, database or socket takes them."""

from __future__ import annotations

import re
from typing import Any

_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(value: Any) -> Any:
    """Return JSON data in which every lone surrogate is replaced by U+FFFD, in keys too."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return value
