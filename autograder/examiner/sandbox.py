"""What can the student's process see and use? Very little: a bubblewrap sandbox with resource limits.

It sees the Python environment and ``autograder/student/`` read-only (without the deep-learning libraries), a private
/tmp, and one directory for its sockets. It does not see the course, the gradebook, other submissions, the
home directory, the environment's secrets, other processes, or the network.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from autograder.engine.messages import _

Isolation = Literal["sandbox", "process"]
PACKAGE = Path(__file__).resolve().parents[1]
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives")
# What students are to write themselves. Empty directories stand in their places.
MASKED = (
    "torch", "torchgen", "functorch", "torchvision", "tensorflow", "keras", "jax", "jaxlib", "flax",
    "mxnet", "paddle", "tinygrad", "mlx",
)  # fmt: skip


class NoSandbox(RuntimeError):
    """The sandbox is asked for, but cannot be had on this machine."""

    @classmethod
    def because(cls, reason: str) -> NoSandbox:
        """Say why, and what can be done."""
        return cls(
            _(
                "Student code cannot be isolated here ({reason}). Install bubblewrap (Linux), or accept "
                "with isolation = process that the file system is not protected."
            ).format(reason=reason)
        )


@functools.cache
def why_not() -> str:
    """Return why the sandbox does not work on this machine; an empty string if it does."""
    if not sys.platform.startswith("linux"):
        return _("bubblewrap needs Linux")
    if shutil.which("bwrap") is None:
        return _("bubblewrap is not installed")
    try:
        done = subprocess.run(
            [*_bubblewrap(Path("/nonexistent")), "/usr/bin/env", "true"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:200]
    return "" if done.returncode == 0 else done.stderr.strip()[:200] or _("bubblewrap failed")


def require(isolation: Isolation) -> None:
    """Check that the isolation can be had.

    Raises
    ------
    NoSandbox
        If it is the sandbox and it does not work here.
    """
    if isolation == "sandbox" and why_not():
        raise NoSandbox.because(why_not())


def command(
    argv: list[str],
    directory: Path,
    isolation: Isolation,
    visible: Sequence[str] = (),
) -> list[str]:
    """Return the command that runs ``argv`` isolated.

    Parameters
    ----------
    argv:
        What to run: an absolute path and its arguments.
    directory:
        The one directory that it may write to and that outlives it (for sockets).
    isolation:
        ``"sandbox"``, or ``"process"`` for none.
    visible:
        Directories that it may read besides.
    """
    return [*_bubblewrap(directory, visible), *argv] if isolation == "sandbox" else argv


def _bubblewrap(directory: Path, visible: Sequence[str] = ()) -> list[str]:
    options = [
        "bwrap",
        "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
        "--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox",
        "--unsetenv", "JPY_PARENT_PID",  # the kernel would miss a parent that it cannot see, and exit
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
    ]  # fmt: skip
    for path in SYSTEM:
        if Path(path).is_symlink():
            options += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).is_dir():
            options += ["--ro-bind", path, path]
    for path in SETTINGS:
        options += ["--ro-bind-try", path, path]
    for path in dict.fromkeys([sys.base_prefix, sys.prefix, *visible]):
        if not path.startswith("/usr/") and path != "/usr":
            options += ["--ro-bind", path, path]
    if any(PACKAGE.is_relative_to(path) for path in (*SYSTEM, sys.base_prefix, sys.prefix)):
        options += ["--tmpfs", str(PACKAGE)]
    options += ["--ro-bind", str(PACKAGE / "student"), str(PACKAGE / "student")]
    for library in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for name in MASKED:
            if (Path(library) / name).is_dir():
                options += ["--tmpfs", str(Path(library) / name)]
    if directory.is_dir():
        options += ["--bind", str(directory), str(directory), "--chdir", str(directory / "work")]
    return options
