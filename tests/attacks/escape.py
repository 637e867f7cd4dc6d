"""Can a submission leave the sandbox? The function is right if a door opens."""

from __future__ import annotations

from tests.attacks.kinds import MARK, Attack, wall

LIBC = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
"""


def call(arguments: str) -> Attack:
    """A system call that must fail."""
    return wall(f"{LIBC}call({arguments})")


def writing(paths: str) -> Attack:
    """Files that must not open for writing; nothing is written."""
    return wall(
        f"import glob, os\nopened = []\nfor path in {paths}:\n"
        "    try:\n        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))\n    except OSError:\n        continue\n"
        "    opened.append(path)\n"
        "print(opened)\nassert opened"
    )


ATTACKS = {
    "core_pattern": wall("import os\ntext = open('/proc/sys/kernel/core_pattern').read()\n"
        "os.write(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY), text.encode())"),
    "settings of the system": writing("glob.glob('/proc/sys/**', recursive=True)"),
    "files of /proc": writing("[p for p in glob.glob('/proc/*') + glob.glob('/proc/[a-z]*/**', recursive=True)\n"
        "    if not p.startswith(('/proc/self', '/proc/thread-self')) and os.path.isfile(p)]"),
    "maps of users": wall("import os\nfor p in ('self', '1'):\n    for name in ('uid_map', 'gid_map', 'projid_map'):\n"
        "        try:\n            os.write(os.open(f'/proc/{p}/{name}', os.O_WRONLY), b'0 0 10')\n            return\n"
        "        except OSError: pass\nraise LookupError"),
    "files of /sys": writing("glob.glob('/sys/**', recursive=True)"),
    "memory of the system": wall("import os\nfor p in ('/proc/kcore', '/dev/mem', '/dev/kmem', '/dev/port', '/proc/kpageflags', '/proc/kpagecount', '/proc/kmsg'):\n"
        "    try:\n        if os.read(os.open(p, os.O_RDONLY | os.O_NONBLOCK), 16): return\n    except OSError: continue\nraise LookupError"),
    "addresses of the system": wall("assert any(int(line.split()[0], 16) for line in open('/proc/kallsyms'))"),
    "system's log": wall(f"{LIBC}assert call(103, 3, ctypes.create_string_buffer(100), 100) > 0"),
    "less likely to be killed than the examiner": wall(
        "import os\nos.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1')"
    ),
    # -- namespaces
    "nested user namespace": call("272, 0x10000000"),
    "nested user namespace by clone": wall(f"{LIBC}pid = call(56, 0x10000000 | 17, 0, 0, 0, 0)\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)"),
    "nested user namespace by clone3": wall(f"{LIBC}args = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)\n"
        "pid = call(435, ctypes.byref(args), 88)\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)"),
    "nested mount namespace": call("272, 0x00020000"),
    "nested network namespace": call("272, 0x40000000"),
    "a sandbox in the sandbox": wall("import subprocess\nsubprocess.run(['bwrap', '--unshare-user', '--ro-bind', '/', '/', 'true'], check=True)"),
    "unshare's program": wall("import subprocess\nsubprocess.run(['unshare', '-Urm', 'true'], check=True)"),
    "namespaces of the first process": wall(f"{LIBC}for kind in ('user', 'mnt', 'net', 'pid', 'ipc'):\n"
        "    fd = os.open('/proc/1/ns/' + kind, 0)\n"
        "    try:\n        call(308, fd, 0)\n        return\n    except OSError: pass\nraise LookupError"),
    "mount": call("165, b'none', b'/tmp', b'tmpfs', 0, None"),
    "mount /proc": call("165, b'proc', b'/tmp', b'proc', 0, None"),
    "mount again for writing": call("165, None, b'/', None, 0x20 | 0x1000, None"),
    "unmount what is masked": wall(f"{LIBC}import glob\nfor line in open('/proc/self/mounts'):\n"
        "    try:\n        call(166, line.split()[1].encode(), 2)\n        return\n    except OSError: pass\nraise LookupError"),
    "pivot_root": call("155, b'/tmp', b'/tmp'"),
    "chroot": wall("import os\nos.chroot('/tmp')"),
    "open_tree": call("428, -100, b'/', 1"),
    "fsopen": call("430, b'tmpfs', 0"),
    # -- dangerous calls
    "keyctl": call("250, 0, -3, 1"),
    "add_key": call(f"248, b'user', b'{MARK}', b'x', 1, -3"),
    "request_key": call(f"249, b'user', b'{MARK}', None, -3"),
    "io_uring": wall(f"{LIBC}call(425, 4, ctypes.byref((ctypes.c_uint32 * 30)()))"),
    "bpf": wall(f"{LIBC}call(321, 0, ctypes.byref((ctypes.c_uint32 * 30)(2, 4, 4, 1)), 48)"),
    "perf_event_open": wall(f"{LIBC}call(298, ctypes.byref((ctypes.c_uint32 * 32)(1, 128)), 0, -1, -1, 0)"),
    "userfaultfd": call("323, 0"),
    "ptrace of the parent": call("101, 16, os.getppid(), 0, 0"),
    "ptrace of the first process": call("101, 0x4206, 1, 0, 0"),
    "memory of the first process by system call": wall(f"{LIBC}b = ctypes.create_string_buffer(8)\n"
        "start = int(open('/proc/1/maps').readline().split('-')[0], 16)\n"
        "local, remote = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8), (ctypes.c_void_p * 2)(start, 8)\n"
        "assert call(310, 1, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)"),
    "kexec": call("246, 0, 0, None, 0"),
    "reboot": call("169, 0, 0, 0, None"),  # with wrong magic numbers: EPERM or EINVAL, never a reboot
    "modules of the system": call("175, None, 0, b''"),
    "the clock": wall("import time\ntime.clock_settime(time.CLOCK_REALTIME, time.time())"),
    "the host's name": wall("import socket\nsocket.sethostname('evil')"),
    "a real-time process": wall("import os\nos.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"),
    "a higher priority": wall("import os\nos.setpriority(os.PRIO_PROCESS, 0, -5)"),
    "another user": wall("import os\nos.setuid(os.getuid() + 1)"),
    "another group": wall("import os\nos.setgroups([0, 4, 6])"),
    "capabilities": wall("assert any(int(line.split()[1], 16) for line in open('/proc/self/status') if line.startswith('Cap'))"),
    "privileges of a program": wall("import subprocess\nassert b'uid=0(' in subprocess.run(['su', '-c', 'id'], stdin=subprocess.DEVNULL, capture_output=True, timeout=5).stdout"),
    "handles of files": wall(f"{LIBC}h = (ctypes.c_uint32 * 40)(128)\nm = ctypes.c_int()\ncall(303, -100, b'/usr', h, ctypes.byref(m), 0)\n"
        "call(304, os.open('/usr', 0), h, 0)"),
    "higher limits": wall("import resource\nfor n in ('AS', 'CPU', 'FSIZE', 'NPROC', 'NOFILE'):\n"
        "    w = getattr(resource, 'RLIMIT_' + n)\n    soft, hard = resource.getrlimit(w)\n"
        "    try:\n        resource.setrlimit(w, (hard + 1, hard + 1))\n        return\n    except (ValueError, OSError): pass\nraise LookupError"),
    # -- network
    "a port of the machine": wall("import socket\nsocket.create_connection(('127.0.0.1', PORT), 2)"),
    "a port of the machine, IPv6": wall("import socket\nsocket.create_connection(('::1', PORT), 2)"),
    "a port of the machine by its own address": wall("import socket\nfor last in (1, 2):\n"
        "    for net in ('172.17.0', '10.0.2', '192.168.0', '169.254.169'):\n"
        "        s = socket.socket()\n        s.settimeout(0.2)\n"
        "        if s.connect_ex((net + '.%d' % last, PORT)) == 0: return\nraise LookupError"),
    "an abstract socket of the machine": wall("import socket\nsocket.socket(socket.AF_UNIX).connect('\\0' + ABSTRACT)"),
    "a socket in the machine's files": wall("import socket\nsocket.socket(socket.AF_UNIX).connect(SOCKET)"),
    "names of the network": wall("import socket\nsocket.getaddrinfo('example.org', 80)"),
    "packets": wall("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))"),
    "raw packets": wall("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    "packets below IP": wall("import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)"),
    "sockets of the virtual machine": wall("import socket\ns = socket.socket(40, socket.SOCK_STREAM)\ns.settimeout(1)\n"
        "assert s.connect_ex((2, 22)) in (0, 104, 111)"),
    "interfaces besides loopback": wall("import socket\nassert any(n != 'lo' for _, n in socket.if_nameindex())"),
    # -- files and devices
    "write to the root directory": wall(f"open('/{MARK}', 'w')"),
    "write to /dev": wall(f"open('/dev/{MARK}', 'w')"),
    "write to the system": wall(f"for folder in ('/usr', '/usr/lib', '/etc', '/lib', '/bin'):\n    try:\n        open(folder + '/{MARK}', 'w')\n        return\n"
        "    except OSError: pass\nraise LookupError"),
    "write to the environment": wall(f"import sys\nfor folder in (sys.prefix, sys.base_prefix, *sys.path):\n    try:\n        open(folder + '/{MARK}.pth', 'w')\n        return\n"
        "    except OSError: pass\nraise LookupError"),
    "write to this package": wall(f"import autograder.student as s\nopen(s.__path__[0] + '/{MARK}.py', 'w')"),
    "write to the training images": wall("import os\nfor line in open('/proc/self/mounts'):\n    folder = line.split()[1]\n"
        f"    if folder.endswith('training'):\n        open(folder + '/{MARK}', 'w')\n        return\nraise LookupError"),
    "write anywhere else": wall("import os\nfor top, folders, files in os.walk('/'):\n"
        "    if top == '/':\n        folders[:] = [f for f in folders if f not in ('proc', 'sys', 'dev', 'tmp')]\n"
        "    if os.access(top, os.W_OK) and not os.getcwd().startswith(top):\n        print(top)\n        return\nraise LookupError"),
    "files of the machine": wall("import os\nfor p in ('/etc/passwd', '/etc/shadow', '/etc/hosts', '/etc/machine-id', '/var/log', '/home', '/run', '/boot', '/opt', '/mnt'):\n"
        "    if os.path.exists(p): return\nraise LookupError"),
    "homes": wall("import os\nfor p in ('/root', '/home'):\n"
        "    if os.path.isdir(p) and set(os.listdir(p)) - {'.pyenv'}: return\nraise LookupError"),
    "a device of one's own": wall("import os, stat\nos.mknod('/tmp/null', 0o666 | stat.S_IFCHR, os.makedev(1, 3))"),
    "devices": wall("import glob, os, stat\nharmless = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}\n"
        "for p in glob.glob('/dev/**', recursive=True):\n    s = os.stat(p)\n"
        "    if stat.S_ISBLK(s.st_mode) or stat.S_ISCHR(s.st_mode) and (os.major(s.st_rdev), os.minor(s.st_rdev)) not in harmless and os.major(s.st_rdev) != 136:\n"
        "        return\nraise LookupError"),
    "keys pressed on the terminal": wall("import fcntl, termios, os\nfor p in ('/dev/tty', '/dev/console', '/dev/pts/0'):\n"
        "    try:\n        fcntl.ioctl(os.open(p, os.O_RDWR), termios.TIOCSTI, b'x')\n        return\n    except OSError: pass\nraise LookupError"),
    "control groups": writing("glob.glob('/sys/fs/cgroup/**', recursive=True)"),
    "magic keys": writing("['/proc/sysrq-trigger', '/proc/sys/kernel/sysrq']"),
    "signals for all": Attack("import os, signal\nos.kill(-1, signal.SIGCONT)\n"
        + wall("import os\nos.kill(2**22 - 1, 0)").cell, walls=True),
    "the examiner by its number": wall("import os\nfor pid in range(3, 100_000):\n"
        "    try:\n        os.kill(pid, 0)\n    except ProcessLookupError: continue\n"
        "    except PermissionError: return\n"
        "    if not os.path.exists('/proc/%d' % pid): return\nraise LookupError"),
}  # fmt: skip
