"""How does a kernel start in a twentieth of a second? It is forked from a process that has imported everything.

``python -P launch.py forkserver`` imports what notebooks use and then reads requests from standard
input, one JSON line each. For each it forks; the child enters the namespaces of a sandbox that bubblewrap
has made (``setns``), gives up all capabilities, sets the resource limits and
the filter of system calls, and becomes an IPython kernel.
The server itself never runs student code, never imports torch, and has an empty environment, so that there is
nothing in it that a student may not see. A kernel is forked once and never reused.

Linux only; where entering a namespace is forbidden, the caller starts a kernel of its own instead.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from autograder.student import launch

PRELOADED = (
    "numpy", "numpy.testing", "matplotlib.pyplot", "matplotlib.font_manager", "ipykernel.kernelapp",
    "ipykernel.ipkernel", "ipykernel.zmqshell", "IPython.core.completerlib", "matplotlib_inline.backend_inline",
    "ipykernel.debugger", "IPython.core.debugger", "IPython.core.logger", "IPython.core.oinspect",
    "IPython.extensions.storemagic", "tornado.platform.asyncio", "tqdm", "autograder.student.server", "autograder.student.seccomp",
)  # fmt: skip

# From <linux/sched.h> and <linux/prctl.h>.
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
NAMESPACES = NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
LAST_POSSIBLE_CAPABILITY = 63
CAPABILITY_VERSION_3 = 0x20080522


class Header(ctypes.Structure):
    """The header of the system call ``capset``."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def main() -> None:
    """Import everything, say so, and fork a kernel for every line of standard input."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a kernel's garbage collector need not look at, and so copy, what they share
    requests = sys.stdin
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: no zombies
    print("ready", flush=True)
    for line in requests:
        request = json.loads(line)
        done, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(done)
            become_kernel(request, told)
        os.close(told)
        with os.fdopen(done) as pipe:
            failure = pipe.read()
        print(json.dumps({"pid": pid, "failure": failure}), flush=True)


def become_kernel(request: Mapping[str, Any], told: int) -> NoReturn:
    """In the child: enter the sandbox, fork once more (into its PID namespace), run the kernel.

    An error before the kernel runs is written to the file descriptor ``told``; closing it is success. This
    process stays outside, and lives as long as the kernel.
    """
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        enter(request["anchor"])
        kernel = os.fork()
        if kernel == 0:
            run_kernel(request, told)
        os.closerange(0, 1024)
        os.waitpid(kernel, 0)
        status = 0
    except BaseException as error:
        os.write(told, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(status)


def enter(anchor: int) -> None:
    """Enter the namespaces of process ``anchor``; children will be in its PID namespace.

    Raises
    ------
    OSError
        If that is not permitted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.pidfd_open(anchor)
    if libc.setns(descriptor, NAMESPACES):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.close(descriptor)


def give_up_privileges() -> None:
    """Drop every capability for good, as bubblewrap does for what it starts.

    Raises
    ------
    OSError
        If that fails.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(LAST_POSSIBLE_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    none = (ctypes.c_uint32 * 6)()
    header = Header(CAPABILITY_VERSION_3, 0)
    if libc.capset(ctypes.byref(header), none) or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def run_kernel(request: Mapping[str, Any], told: int) -> NoReturn:
    """In the grandchild, inside the sandbox: become a kernel."""
    try:
        os.setsid()
        os.chdir(request["cwd"])
        give_up_privileges()
        os.environ.clear()
        os.environ.update(request["environment"])
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(2):
            os.dup2(null, standard)
        launch.restrict(request)
    except BaseException as error:
        os.write(told, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    os.closerange(3, 1024)
    import numpy as np

    np.random.seed(None)
    try:
        launch.run_kernel(request["arguments"])
    finally:
        os._exit(0)
