"""Which system calls may a student's process make? A filter in the kernel of the operating system decides.

Denied are those with which a process makes namespaces, mounts, looks into other processes, keeps keys, loads code
into the system or opens unusual sockets. What NumPy, Matplotlib, threads and subprocesses need is not among them.

Bubblewrap installs the filter for what it starts. A process that enters a sandbox with ``setns`` does not get it from
there, so every kernel installs it itself (:func:`autograder.student.launch.restrict`).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

# From <linux/filter.h>, <linux/seccomp.h>, <linux/audit.h>, <linux/prctl.h> and <linux/sched.h>.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in `struct seccomp_data`
X32 = 0x40000000  # the bit of another calling convention of x86_64
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
NAMESPACES = 0x7E020000  # CLONE_NEWNS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET
AF_UNIX, AF_INET, AF_NETLINK = 1, 2, 16  # ZeroMQ asks over the last which addresses there are
IPPROTO_TCP, IPPROTO_UDP = 6, 17
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # type into the terminal from which grading was started
ASK = 0xFFFFFFFF  # personality(ASK) changes nothing

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
DENIED = {  # name -> numbers on x86_64 and aarch64, None where there is no such call
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "create_module": (174, None),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225),
    "reboot": (169, 142), "acct": (163, 89), "syslog": (103, 116), "vhangup": (153, 58),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "lookup_dcookie": (212, 18),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170),
    "adjtimex": (159, 171), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "uselib": (134, None),
    "sysfs": (139, None), "nfsservctl": (180, 42), "fanotify_init": (300, 262),
    # Memory of the system that belongs to no process, and so counts nowhere.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "semget": (64, 190),
    "msgget": (68, 186), "mq_open": (240, 180), "inotify_init": (253, None), "inotify_init1": (294, 26),
}  # fmt: skip
LOOKED_AT = {  # those that depend on their arguments
    "clone": (56, 220), "clone3": (435, 435), "socket": (41, 198), "socketpair": (53, 199),
    "ioctl": (16, 29), "personality": (135, 92),
}  # fmt: skip


def program(machine: str = platform.machine()) -> bytes | None:
    """Return the filter as an array of ``struct sock_filter``; None for a processor whose numbers are not here."""
    if machine not in AUDIT:
        return None
    return b"".join(struct.pack("HBBI", *line) for line in _lines(machine))


def _lines(machine: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield instructions: code, how many to skip if true, how many if not, value."""
    which = list(AUDIT).index(machine)
    refuse = (RETURN, 0, 0, REFUSE | errno.EPERM)
    allow = (RETURN, 0, 0, ALLOW)
    yield LOAD, 0, 0, ARCHITECTURE
    yield EQUAL, 1, 0, AUDIT[machine]
    yield refuse
    yield LOAD, 0, 0, NUMBER
    yield AT_LEAST, 0, 1, X32
    yield refuse
    for numbers in DENIED.values():
        if (number := numbers[which]) is not None:
            yield EQUAL, 0, 1, number
            yield refuse
    special = {name: numbers[which] for name, numbers in LOOKED_AT.items()}
    yield (
        EQUAL,
        0,
        1,
        special["clone3"],
    )  # its flags lie in memory; the C library falls back to `clone`
    yield RETURN, 0, 0, REFUSE | errno.ENOSYS
    for name, argument, test, values, then, otherwise in (
        ("clone", 0, ANY_BIT, (NAMESPACES,), refuse, allow),
        ("socketpair", 0, EQUAL, (AF_UNIX,), allow, refuse),
        ("ioctl", 1, EQUAL, (TIOCSTI, TIOCLINUX), refuse, allow),
        ("personality", 0, EQUAL, (ASK,), allow, refuse),
    ):
        yield EQUAL, 0, 3 + len(values), special[name]
        yield LOAD, 0, 0, ARGUMENTS + 8 * argument  # its lower half
        for left, value in zip(reversed(range(len(values))), values, strict=True):
            yield test, left, int(left == 0), value
        yield then
        yield otherwise
    yield EQUAL, 0, 11, special["socket"]
    yield LOAD, 0, 0, ARGUMENTS
    yield EQUAL, 8, 0, AF_UNIX
    yield EQUAL, 1, 0, AF_INET
    yield EQUAL, 3, 5, AF_NETLINK
    yield LOAD, 0, 0, ARGUMENTS + 16  # the protocol
    yield EQUAL, 4, 0, IPPROTO_TCP
    yield EQUAL, 3, 0, IPPROTO_UDP
    yield LOAD, 0, 0, ARGUMENTS + 16
    yield EQUAL, 1, 0, 0  # the usual one
    yield refuse
    yield allow
    yield allow


def install() -> None:
    """Apply the filter to this thread and to all that it starts, for good.

    Raises
    ------
    OSError
        If the system refuses it.
    """
    code = program()
    if code is None:
        return

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    filled = Program(len(code) // 8, code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filled), 0, 0
    ):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
