"""Where does it stand what kernels, bubblewrap and the fork server said when they failed? In one file of bounded size.

It lies in the user's cache. Two files of at most a megabyte are kept.
"""

from __future__ import annotations

import functools
import logging
import tempfile
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pooch

MAX_BYTES = 1_000_000
MAX_ENTRY = 100_000


@functools.cache
def path() -> Path:
    """Return the file; in a temporary directory where the user's cache cannot be written."""
    try:
        folder = Path(pooch.os_cache("autograder"))
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder / "kernels.log"
    except OSError:
        return Path(tempfile.mkdtemp(prefix="autograder-log-")) / "kernels.log"


def write(text: str) -> None:
    """Add an entry; a file that cannot be written is no reason to stop."""
    handler = RotatingFileHandler(
        path(), maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", errors="replace", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s [%(process)d] %(message)s"))
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    handler.handle(logging.LogRecord("", logging.WARNING, "", 0, text[-MAX_ENTRY:], None, None))
    handler.close()
