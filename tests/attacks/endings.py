"""What if the student's process ends, stops, multiplies, or loses what it needs?"""

from __future__ import annotations

from tests.attacks.kinds import FOREVER, NOTHING, Attack, in_function

WAYS = {
    "exit()": "exit()",
    "quit()": "quit()",
    "sys.exit()": "import sys\nsys.exit(3)",
    "os._exit()": "import os\nos._exit(0)",
    "segmentation fault": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "SIGKILL": "import os\nos.kill(os.getpid(), 9)",
    "SIGTERM": "import os, time\nos.kill(os.getpid(), 15)\ntime.sleep(1)",
    "SIGSTOP": "import os\nos.kill(os.getpid(), 19)",
    "SIGSTOP for all": "import os\nos.kill(-1, 19)\nos.kill(os.getpid(), 19)",
    "kill all": "import os\nos.kill(-1, 9)\nos.kill(os.getpid(), 9)",
    "another program": f"import os\nos.execv('/bin/sleep', ['sleep', '{FOREVER}'])",
    "closed descriptors": "import os\nos.closerange(0, 4096)",
    "exchanged descriptors": "import os\nfor n in os.listdir('/proc/self/fd'):\n    try: os.dup2(0, int(n))\n    except OSError: pass",
    "no more descriptors": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))",
    "no more memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (10**6, 10**6))\nx = list(range(10**6))",
    "stack overflow": "import sys\nsys.setrecursionlimit(10**9)\nclass A: pass\n"
        "def f(x):\n    class B(list):\n        def __repr__(self): return repr(B([self]))\n    return repr(B())\nf(0)",
}  # fmt: skip


def spoils(way: str) -> bool | None:
    """Return what is demanded of the honest task: most endings are an ending; some only break the kernel."""
    return (
        None if way in ("exchanged descriptors", "no more descriptors", "no more memory") else True
    )


ATTACKS = {
    **{f"{name} in the cell": Attack(text, spoils(name)) for name, text in WAYS.items()},
    **{f"{name} in the function": Attack(in_function(text), spoils(name)) for name, text in WAYS.items()},
    "os._exit() in a thread": Attack("import os, threading, time\nthreading.Thread(target=os._exit, args=(0,)).start()\ntime.sleep(1)"),
    "os._exit() in a thread of the function": Attack(
        in_function("import os, threading, time\nthreading.Thread(target=os._exit, args=(0,)).start()\ntime.sleep(1)")),
    "exit() in a thread": Attack("import threading\nt = threading.Thread(target=exit)\nt.start()\nt.join()" + NOTHING),
    "a death later": Attack("import os, threading\nthreading.Timer(0.3, os._exit, [0]).start()" + NOTHING, None),
    "a death much later": Attack("import os, threading\nthreading.Timer(3, os._exit, [0]).start()" + NOTHING, None),
    "an alarm": Attack("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.5)" + NOTHING, None),
    "exit in __del__": Attack("class D:\n    def __del__(self):\n        import os\n        os._exit(0)\n" + in_function("D()")),
    "death at the end of the cell": Attack("import os\nget_ipython().events.register('post_execute', lambda: os._exit(0))" + NOTHING, None),
    "exit that never ends": Attack("import atexit, time\natexit.register(time.sleep, 1000)\nexit()"),
    "exit with threads": Attack("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\nexit()"),
    "fork and go on": Attack("import os\nos.fork()" + NOTHING, None),
    "fork in the function and go on": Attack(in_function("import os\nos.fork()"), None),
    "fork and the parent ends": Attack("import os\nif os.fork():\n    os._exit(0)" + NOTHING, None),
    "daemon": Attack(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        os.execv('/bin/sleep', ['sleep', '{FOREVER}'])\n    os._exit(0)" + NOTHING),
    "kill the parent": Attack(in_function("import os\nos.kill(os.getppid(), 9)")),
    "kill the first process": Attack(in_function("import os\nos.kill(1, 9)")),
    "no working directory": Attack("import os, shutil\nshutil.rmtree(os.getcwd())" + NOTHING),
    "another working directory": Attack("import os\nos.chdir('/')" + NOTHING),
    "traced by itself": Attack("import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)" + NOTHING, None),
    "blocked signals": Attack("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n" + in_function("while True: pass")),
}  # fmt: skip
