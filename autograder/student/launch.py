"""How does a student's kernel start? This file is run by its path, so that the kernel uses this very package.

``python -P launch.py SETTINGS ARGUMENT...`` becomes an IPython kernel; ``python -P launch.py forkserver`` becomes the
process that forks kernels (:mod:`autograder.student.forkserver`). Another copy of the package may be installed in
the same environment: it is never used, and a copy that was changed meanwhile is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
NAMES = {
    "autograder.check": "autograder.student.elsewhere",
    "autograder.datasets": "autograder.student.datasets",
    "autograder.figures": "autograder.student.figures",
    "autograder.training": "autograder.student.training",
    "autograder.assignments.batchnorm.network": "autograder.student.networks.batchnorm",
    "autograder.assignments.dropout.network": "autograder.student.networks.dropout",
}
"""Modules that notebooks import, by the names that they have at home."""


class WrongPackage(RuntimeError):
    """The kernel's copy of this folder is not the one that the examiner uses."""


def digest() -> str:
    """Return the SHA-256 of all code in this folder."""
    found = hashlib.sha256()
    for path in sorted(HERE.rglob("*.py")):
        found.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def register() -> None:
    """Make this folder importable as ``autograder.student``, and its modules by the names of home."""
    package = sys.modules["autograder"] = types.ModuleType("autograder", "Only the student's part.")
    package.__path__ = [str(HERE.parent)]
    for name, place in NAMES.items():
        alias(name, importlib.import_module(place))


def alias(name: str, module: types.ModuleType) -> None:
    """Let a module be imported under another name; packages on the way are made if they are not there."""
    sys.modules[name] = module
    parent, _dot, last = name.rpartition(".")
    if parent and parent not in sys.modules:
        made = types.ModuleType(parent)
        made.__path__ = []
        alias(parent, made)
    if parent:
        setattr(sys.modules[parent], last, module)


def restrict(settings: Mapping[str, Any]) -> None:
    """Set the limits of this process and of all that it starts.

    Raises
    ------
    WrongPackage
        If this folder is not the examiner's.
    OSError, ValueError
        If a limit cannot be set.
    """
    if settings["digest"] != digest():
        raise WrongPackage(f"the code in {HERE} was changed while grading was running")
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(OSError):  # if the machine runs out of memory, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")

    for name, value in settings["limits"].items():
        which = getattr(resource, name, None)
        if which is not None:
            hard = resource.getrlimit(which)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (value, value))
    if settings.get("filter"):
        importlib.import_module("autograder.student.seccomp").install()


def run_kernel(arguments: Sequence[str]) -> None:
    """Become an IPython kernel; what it writes to standard error before it is ready is for the examiner's log."""
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", *arguments]
    said = os.fstat(2)
    app: Any = IPKernelApp.instance()
    app.initialize(list(arguments))
    with open(os.devnull, "r+b") as null:
        for descriptor in range(256):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), said):
                    os.dup2(null.fileno(), descriptor)
    app.start()


def main() -> NoReturn:
    """Become a kernel, or the process that forks kernels."""
    register()
    if sys.argv[1] == "forkserver":
        importlib.import_module("autograder.student.forkserver").main()
    else:
        restrict(json.loads(sys.argv[1]))
        run_kernel(sys.argv[2:])
    sys.exit()


if __name__ == "__main__":
    main()
