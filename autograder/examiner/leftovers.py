"""How is a directory removed that a submission filled? Whatever its modes and however deep it is.

``shutil.rmtree`` gives up at directories that may not be read, and at those a thousand levels deep.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def remove(directory: Path) -> None:
    """Empty a directory and remove it; what cannot be removed stays, without an error.

    Goes down by file descriptors, one level at a time, so that neither the length of a path nor the depth of
    a recursion limits it. Directories that are met are moved up first: at no time are more than three open.
    Symbolic links are removed, never followed.
    """
    with contextlib.suppress(OSError):
        os.chmod(directory, 0o700)
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(directory)


def _empty(top: int) -> None:
    """Remove all entries of an open directory: those of its directories become its own before."""
    todo = os.listdir(top)
    while todo:
        name = todo.pop()
        try:
            os.unlink(name, dir_fd=top)
            continue
        except OSError:
            pass
        with contextlib.suppress(OSError):
            os.chmod(name, 0o700, dir_fd=top)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for entry in os.listdir(inner):
                    moved = f".{secrets.token_hex(16)}"
                    try:
                        os.unlink(entry, dir_fd=inner)
                    except OSError:
                        os.chmod(entry, 0o700, dir_fd=inner)
                        os.rename(entry, moved, src_dir_fd=inner, dst_dir_fd=top)
                        todo.append(moved)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
