"""Can a submission use up the machine, or the examiner's patience?"""

from __future__ import annotations

from tests.attacks.kinds import FOREVER, MARK, NOTHING, Attack, if_it_works, in_function

HOARD = 2 << 30  # bytes that no sandbox may hold in files


def filling(before: str, step: str, size: int = HOARD) -> Attack:
    """Fill something with megabytes; the function is right if all of them fit."""
    return Attack(
        if_it_works(
            f"import os\n{before}\nchunk = bytes(1 << 20)\nkept = []\n"
            f"for n in range({size >> 20}):\n    {step}"
        ),
        walls=True,
    )


IN_FOLDER = f"fd = os.open(folder + '/%s%d' % ({MARK!r}, n), os.O_CREAT | os.O_WRONLY)\n    os.write(fd, chunk)\n    os.close(fd)"

ATTACKS = {
    "memory bomb": Attack(in_function("x = [bytearray(10**9) for _ in range(100)]")),
    "memory bomb that catches": Attack(in_function("x = []\nwhile True:\n    try: x.append(bytearray(10**8))\n    except MemoryError: pass")),
    "memory in many processes": Attack(
        if_it_works(
            "import os, time\npids = []\n"
            "for n in range(12):\n"
            "    pids.append(os.fork())\n"
            "    if not pids[-1]:\n"
            "        x = bytearray(600_000_000)\n        x[::4096] = b'x' * len(x[::4096])\n        time.sleep(6)\n        os._exit(0)\n"
            "assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)"
        ), None, walls=True),
    "/dev/shm": filling("folder = '/dev/shm'", IN_FOLDER),
    "/tmp": filling("folder = '/tmp'", IN_FOLDER),
    "the working directory": filling("folder = os.getcwd()", IN_FOLDER),
    "the sockets' directory": filling("folder = '..'", IN_FOLDER),
    "the root directory": filling("folder = '/'", IN_FOLDER),
    "/dev": filling("folder = '/dev'", IN_FOLDER),
    "files in memory": filling("fd = None", "if n % 4 == 0: kept.append(os.memfd_create('x'))\n    os.write(kept[-1], chunk)"),
    "shared memory without a name": filling("import mmap", "kept.append(mmap.mmap(-1, 1 << 20))\n    kept[-1][:] = chunk", 5 << 30),
    "pipes": Attack(if_it_works("import os, fcntl\nkept = [os.pipe() for _ in range(5000)]\nfor r, w in kept:\n    fcntl.fcntl(w, 1031, 1 << 20)\n    os.write(w, bytes(1 << 20))"), walls=True),
    "many files": Attack(if_it_works("for n in range(2_000_000):\n    open('/tmp/%d' % n, 'w').close()"), None, walls=True),
    "deep folders": Attack("import os\ntry:\n    for _ in range(5000):\n        os.mkdir('d')\n        os.chdir('d')\nexcept OSError: pass" + NOTHING),
    "folders of no mode": Attack("import os\nos.makedirs('a/b/c')\nopen('a/b/f', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)" + NOTHING),
    "one large file": Attack(in_function("f = open('x', 'wb')\nwhile True:\n    f.write(bytes(10**6))")),
    "sparse file": Attack(if_it_works("f = open('x', 'wb')\nf.truncate(1 << 40)"), walls=True),
    "descriptors": Attack(in_function("x = []\nwhile True: x.append(open('/dev/null'))")),
    "sockets": Attack(in_function("import socket\nx = []\nwhile True: x.append(socket.socketpair())")),
    "fork bomb": Attack(in_function("import os\nwhile True:\n    os.fork()")),
    "fork bomb in the cell": Attack("import os\nwhile True:\n    os.fork()"),
    "thread bomb": Attack(in_function(
        f"import threading, time\nwhile True:\n    threading.Thread(target=time.sleep, args=({FOREVER},)).start()")),
    "many processes": Attack(in_function(f"import subprocess\nfor _ in range(30):\n    subprocess.Popen(['sleep', '{FOREVER}'])")),
    # -- output
    "output flood": Attack(in_function("for _ in range(50):\n    print('x' * 10**6)")),
    "output flood in the cell": Attack("for _ in range(300):\n    print('x' * 10**6)" + NOTHING),
    "errors' flood": Attack("import sys\nfor _ in range(300):\n    print('x' * 10**6, file=sys.stderr)" + NOTHING),
    "output of many small messages": Attack("for n in range(20_000):\n    print(n, flush=True)" + NOTHING),
    "output of many streams": Attack("import sys\nfor n in range(20_000):\n    print('x', file=(sys.stdout, sys.stderr)[n % 2], flush=True)" + NOTHING),
    "displays of 50 MB": Attack("from IPython.display import display\nfor _ in range(40):\n    display({'text/plain': 'x' * 50_000_000}, raw=True)" + NOTHING, None),
    "messages of 50 MB": Attack("k = get_ipython().kernel\nfor _ in range(40):\n"
        "    k.session.send(k.iopub_socket, 'stream', content={'name': 'stdout', 'text': 'x' * 50_000_000}, parent=k.get_parent())" + NOTHING, None),
    "messages of another cell's": Attack("k = get_ipython().kernel\nfor _ in range(40):\n"
        "    k.session.send(k.iopub_socket, 'stream', content={'name': 'stdout', 'text': 'x' * 50_000_000}, parent={})" + NOTHING, None),
    "one message of 500 MB": Attack("k = get_ipython().kernel\nk.iopub_socket.send_multipart([b'x', b'<IDS|MSG>', bytes(500_000_000)])" + NOTHING, None),
    "display of a hundred thousand entries": Attack("from IPython.display import display\n"
        "display({str(n): 'x' for n in range(100_000)}, raw=True)" + NOTHING),
    "many displays": Attack("from IPython.display import display\nfor n in range(20_000):\n    display({'text/plain': 'x'}, raw=True)" + NOTHING),
    "a picture that is none": Attack("from IPython.display import display\ndisplay({'image/png': 'A' * 900_000 + '!'}, raw=True)" + NOTHING),
    "output behind the cell": Attack("import threading\ndef flood():\n    while True: print('x' * 10**5)\n"
        "threading.Thread(target=flood, daemon=True).start()" + NOTHING, None),
    # -- time
    "infinite recursion": Attack(in_function("return dropout_mask(shape, p, rng)")),
    "endless loop": Attack("while True: pass"),
    "endless loop in the function": Attack(in_function("while True: pass")),
    "sleep in the cell": Attack("import time\ntime.sleep(10**6)"),
    "sleep in the function": Attack(in_function("import time\ntime.sleep(10**6)")),
    "waiting for input": Attack("input('?')" + NOTHING),
    "waiting for input in the function": Attack(in_function("return input('?')")),
    "reading from standard input": Attack("import sys\nsys.__stdin__.read()" + NOTHING),
    "ignoring the interrupt": Attack(in_function("while True:\n    try:\n        while True: pass\n    except BaseException: pass")),
    "ignoring the interrupt in the cell": Attack("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"),
    "an expression that never ends": Attack(in_function("import re\nre.match('(a+)+$', 'a' * 60 + 'b')")),
    "a power that never ends": Attack("x = 7 ** 7 ** 11"),
    "threads that compute": Attack("import threading\ndef f():\n    while True: pass\n"
        "[threading.Thread(target=f, daemon=True).start() for _ in range(8)]" + NOTHING, None),
    "processes that compute": Attack("import os\nfor _ in range(4):\n    if os.fork() == 0:\n        while True: pass" + NOTHING, None),
    "garbage collection without end": Attack("class A:\n    def __del__(self):\n        A()\nA()" + NOTHING, None),
    "slow function": Attack(in_function("import time\ntime.sleep(0.5)")),
}  # fmt: skip
