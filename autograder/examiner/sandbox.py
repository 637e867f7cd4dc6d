"""What can the student's process see and use? Very little: a bubblewrap sandbox with resource limits.

It sees the Python environment and ``autograder/student/`` read-only (without the modules that do the exercise), and may
write to /tmp and /dev/shm, which are limited in size and end with it. It does not see the course, the gradebook,
other submissions, the home directory, the environment's secrets, other processes, or the network.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from autograder.engine.messages import _
from autograder.student import seccomp

Isolation = Literal["sandbox", "process"]
LOG = logging.getLogger(__name__)
PACKAGE = Path(__file__).resolve().parents[1]
INSIDE = Path("/tmp")  # holds the sockets, the connection file and the working directory
WORK = INSIDE / "work"
CONNECTION = INSIDE / "connection.json"

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
SETTINGS = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives")
ROOTS = ("/usr", "/usr/local")
PARTS = (
    "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "include", "share", "etc", "ssl",
    "conda-meta", "pyvenv.cfg",
)  # fmt: skip
"""What is visible of /usr and of a Python environment; a course in /usr/src or beside them is not."""

PROC = frozenset({
    "cpuinfo", "meminfo", "stat", "uptime", "version", "filesystems", "loadavg", "mounts", "net",
    "self", "thread-self", "sys",
})  # fmt: skip
"""What is visible in /proc besides the sandbox's own processes; sys is read-only."""

MASKED = (
    "torch", "torchgen", "functorch", "torchvision", "torchaudio", "torch_optimizer", "caffe2", "lightning",
    "pytorch_lightning", "fastai", "skorch", "timm", "apex", "bitsandbytes", "deepspeed", "transformers",
    "tensorflow", "tensorflow_core", "tensorflow_addons", "tflite_runtime", "keras", "keras_core", "tf_keras", "sonnet",
    "jax", "jaxlib", "flax", "optax", "haiku", "equinox", "trax", "mxnet", "paddle", "tinygrad", "mlx", "chainer", "theano",
    "aesara", "pytensor", "lasagne", "mindspore", "oneflow", "jittor", "megengine", "nnabla", "cntk", "thinc",
    "numpy_ml", "onnx", "onnxruntime", "openvino", "sklearn.neural_network",
)  # fmt: skip
"""Modules that do what students are to write themselves. Empty directories stand in their places."""


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
        with filter_pipe() as pipe:
            done = subprocess.run(
                command(["/usr/bin/env", "true"], filter_fd=pipe.fileno()),
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
                pass_fds=[pipe.fileno()],
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


@functools.cache
def options() -> frozenset[str]:
    """Return the options that this bubblewrap has; logs, once, which protection is missing."""
    told = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    found = frozenset(word for word in (told.stdout + told.stderr).split() if word.startswith("--"))
    for option, protection in (
        ("--disable-userns", _("no namespaces inside of the sandbox (the filter of system calls denies them too)")),
        ("--size", _("a limit on the size of the sandbox's files (its memory is still watched)")),
        ("--remount-ro", _("a read-only root of the sandbox")),
    ):  # fmt: skip
        if option not in found:
            LOG.warning(_("This bubblewrap has no %s. Missing protection: %s."), option, protection)
    if seccomp.program() is None:
        LOG.warning(_("Missing protection: the filter of system calls is not for this processor."))
    return found


def filter_pipe() -> BinaryIO:
    """Return a file from which bubblewrap can read the filter of system calls."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(seccomp.program() or b"")  # less than a pipe holds
    return os.fdopen(reading, "rb")


def command(
    argv: list[str],
    *,
    filter_fd: int,
    connection: Path | None = None,
    visible: Sequence[str] = (),
    masked: Sequence[str] = MASKED,
    hidden: Sequence[str] = (),
    bytes_of_files: int = 500_000_000,
) -> list[str]:
    """Return the command that runs ``argv`` in a sandbox.

    Parameters
    ----------
    argv:
        What to run: an absolute path and its arguments.
    filter_fd:
        A file descriptor to read the filter of system calls from.
    connection:
        A file that is to be seen as :data:`CONNECTION`.
    visible:
        Directories that it may read besides.
    masked:
        Modules that cannot be imported, wherever they are installed.
    hidden:
        Directories that it must not see even if they lie in visible ones.
    bytes_of_files:
        How much may be written to /tmp, and to /dev/shm.
    """
    has = options()
    start = [
        "bwrap",
        "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
        "--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox",
        "--unsetenv", "JPY_PARENT_PID",  # the kernel would miss a parent that it cannot see, and exit
    ]  # fmt: skip
    if "--disable-userns" in has:
        start.append("--disable-userns")
    if seccomp.program() is not None:
        start += ["--seccomp", str(filter_fd)]
    size = ["--size", str(bytes_of_files)] if "--size" in has else []
    small = ["--size", "4096"] if "--size" in has else []
    mounts: dict[str, list[str]] = {"/proc": ["--proc"], "/dev": ["--dev"]}
    mounts |= {"/dev/shm": [*size, "--tmpfs"], str(INSIDE): [*size, "--tmpfs"]}
    empty, null = [*small, "--tmpfs"], ["--ro-bind", "/dev/null"]
    for place in _proc():
        mounts[place] = empty if os.path.isdir(place) else null
    mounts["/proc/sys"] = ["--ro-bind", "/proc/sys"]
    shown = _shown(tuple(visible))
    mounts |= {path: ["--ro-bind-try", path] for path in SETTINGS}
    for path in shown:
        mounts[path] = (
            ["--symlink", os.readlink(path)] if os.path.islink(path) else ["--ro-bind", path]
        )
    below = [path for path in shown if not os.path.islink(path)]
    for place in hidden:
        if any(Path(place) != Path(b) and Path(place).is_relative_to(b) for b in below):
            mounts.setdefault(place, empty)
    for place in _answers(tuple(visible), tuple(masked)):
        mounts[place] = empty if os.path.isdir(place) else null
    mounts[str(PACKAGE / "student")] = ["--ro-bind", str(PACKAGE / "student")]
    mounts[str(WORK)] = ["--dir"]
    if connection is not None:
        mounts[str(CONNECTION)] = ["--ro-bind", str(connection)]
    end: list[str] = []
    for place in sorted(
        mounts, key=lambda path: Path(path).parts
    ):  # a directory before what lies in it
        start += [*mounts[place], place]
        if mounts[place] is empty:
            end += ["--remount-ro", place]
    if "--remount-ro" in has:
        start += [*end, "--remount-ro", "/dev", "--remount-ro", "/"]
    return [*start, "--chdir", str(WORK), *argv]


@functools.cache
def _proc() -> list[str]:
    """Return what is to be masked in /proc: all that is not known to be harmless."""
    return [
        f"/proc/{name}"
        for name in sorted(os.listdir("/proc"))
        if not name.isdigit() and name not in PROC and not os.path.islink(f"/proc/{name}")
    ]


@functools.cache
def _shown(visible: tuple[str, ...]) -> list[str]:
    """Return the directories that are mounted, none of which lies in another one."""
    wanted = [path for path in SYSTEM if os.path.lexists(path)]
    for root in dict.fromkeys([*ROOTS, sys.base_prefix, sys.prefix]):
        wanted += [f"{root}/{part}" for part in PARTS if os.path.lexists(f"{root}/{part}")]
    wanted += [str(Path(path).resolve()) for path in visible]
    shown: list[str] = []
    for path in sorted(dict.fromkeys(wanted), key=lambda path: Path(path).parts):
        if not any(Path(path).is_relative_to(other) for other in shown):
            shown.append(path)
    return shown


@functools.cache
def _answers(visible: tuple[str, ...], masked: tuple[str, ...]) -> list[str]:
    """Return the files and directories that are to be masked: modules, and what is ours besides the student's part."""
    shown = [Path(path) for path in _shown(visible) if not os.path.islink(path)]
    found = {PACKAGE} if any(PACKAGE.is_relative_to(path) for path in shown) else set()
    for library in _libraries(visible):
        for name in masked:
            found |= set(_files_of(library, name))
        ours = library / "autograder"
        asked_for = any(library.is_relative_to(path) for path in visible)
        if (ours / "assignments").is_dir() and not asked_for:
            found.add(ours.resolve())
    inner = [path for path in found if any(path.is_relative_to(root) for root in shown)]
    outer = [p for p in inner if not any(p != q and p.is_relative_to(q) for q in inner)]
    return sorted(map(str, outer))


def _libraries(visible: tuple[str, ...]) -> Iterator[Path]:
    """Yield the directories from which modules can be imported."""
    yield from {Path(p).resolve() for p in [*sys.path, site.getusersitepackages()] if p}
    yield from map(Path, visible)
    for root in _shown(visible):
        if not os.path.islink(root):
            for depth in ("", "*/", "*/*/"):
                yield from Path(root).glob(f"{depth}*-packages")
                yield from Path(root).glob(f"{depth}*-packages/*.egg")


def _files_of(library: Path, name: str) -> Iterator[Path]:
    """Yield what a module can be imported from: a package, a source file, compiled ones."""
    *parents, last = name.split(".")
    folder = library.joinpath(*parents)
    for pattern in (last, f"{last}.py", f"{last}.*.so", f"__pycache__/{last}.*.pyc"):
        yield from (path.resolve() for path in folder.glob(pattern))
