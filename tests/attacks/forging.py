"""Can a submission forge what the examiner believes? Messages, replies, libraries, the interpreter itself."""

from __future__ import annotations

from tests.attacks.kinds import NOTHING, Attack, in_function

FORGED = """{"check": "dropout_mask", "assignment": "dropout", "proves": "", "hidden": False,
 "aspects": [{"name": "scaling", "says": "", "weight": 1, "passed": True}], "failure": None,
 "named": [], "note": "", "printed": "", "partial": True, "remark": "", "ending": "complete"}"""
STATED = "{'autograder': {'state': 'passed', 'says': ''}}"

PATCHED: set[tuple[str, str]] = set()
"""Modules of the student's room and names in them that attacks replace: a test demands that they are there."""


def patch(module: str, name: str, by: str, function: str = NOTHING) -> Attack:
    """Replace a name of a module in the student's room; nothing after it need work."""
    PATCHED.add((module, name))
    return Attack(
        f"import autograder.student.{module} as m, sys, socket, struct\nm.{name} = {by}\n{function}",
        honest=None,
    )


def serve(body: str) -> Attack:
    """Put a server of one's own in the place of ours: ``c`` is the connection, ``frame`` puts a length before bytes."""
    PATCHED.update({("server", "serve"), ("server", "HEADER")})
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return Attack(
        "import autograder.student.server as m, socket, struct, msgpack, time\n"
        "frame = lambda data: m.HEADER.pack(len(data)) + data\n"
        "message = lambda text: frame(struct.pack('>I', len(text)) + text)\n"
        "def serve(path, namespace):\n"
        "    c = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)\n    c.connect(path)\n"
        f"{lines}m.serve = serve\n{NOTHING}",
        honest=None,
    )


def iopub(statement: str, honest: bool | None = True) -> Attack:
    """Send something on the channel of outputs; ``send(type, content)`` sends a message for the running cell."""
    return Attack(
        "k = get_ipython().kernel\ns = k.session\n"
        "def send(kind, content, session=s, **more):\n"
        "    more.setdefault('parent', k.get_parent())\n"
        "    session.send(k.iopub_socket, kind, content=content, **more)\n"
        "def raw(*parts):\n"
        "    k.iopub_socket.send_multipart([b'x', b'<IDS|MSG>', s.sign(list(parts)), *parts])\n"
        f"{statement}\n{NOTHING}",
        honest,
    )


HEAD = "import json\nhead = json.dumps(s.msg_header('stream'), default=str).encode()\nparent = json.dumps(k.get_parent(), default=str).encode()\n"

MESSAGES = {
    "message without its text": iopub("send('stream', {'name': 'stdout'})"),
    "message without content": iopub("send('stream', {})"),
    "message with a number for text": iopub("send('stream', {'name': 'stdout', 'text': 5})"),
    "message with a list for text": iopub("send('stream', {'name': 'stdout', 'text': [[1], {}]})"),
    "message with a number for a stream": iopub("send('stream', {'name': 7, 'text': 'x'})"),
    "message with a number for data": iopub("send('display_data', {'data': 7, 'metadata': {}})"),
    "message with numbers in data": iopub("send('display_data', {'data': {'text/plain': 7, 'image/png': [1]}, 'metadata': {}})"),
    "message with text for metadata": iopub("send('display_data', {'data': {}, 'metadata': 'x'})"),
    "message with numbers for an error": iopub("send('error', {'ename': 1, 'evalue': 2, 'traceback': 3})"),
    "message with an error of dicts": iopub("send('error', {'ename': {}, 'evalue': [None], 'traceback': [1, {}]})"),
    "message with a text for its count": iopub("send('execute_result', {'data': {}, 'metadata': {}, 'execution_count': 'x'})"),
    "message with a list for content": iopub("send('stream', [1, 2])"),
    "message with text for content": iopub("send('status', 'idle')"),
    "message of no type": iopub("send(None, {})"),
    "message of a number's type": iopub("send(5, {'execution_state': 'idle'})"),
    "status without a state": iopub("send('status', {})"),
    "status of an odd state": iopub("send('status', {'execution_state': ['idle']})"),
    "message of no parent": iopub("send('stream', {'name': 'stdout', 'text': 'x'}, parent={})"),
    "message of an odd parent": iopub("raw(b'{\"msg_type\": \"stream\"}', b'[1]', b'{}', b'{}')"),
    "message with a list for its header": iopub("raw(b'[]', b'3', b'null', b'\"x\"')"),
    "message with empty parts": iopub("raw(b'', b'', b'', b'')"),
    "message that is not JSON": iopub("raw(b'{', b'{}', b'{}', b'[')"),
    "message that is not UTF-8": iopub("raw(b'\\xff', b'\\xff', b'\\xff', b'\\xff')"),
    "message with too few parts": iopub("raw(b'{}', b'{}')"),
    "message with a lone surrogate": iopub(HEAD + "raw(head, parent, b'{}', b'{\"name\": \"stdout\", \"text\": \"\\\\ud800\"}')"),
    "message nested without end": iopub(HEAD + "raw(head, parent, b'{}', b'[' * 100_000 + b']' * 100_000)"),
    "message with a huge number": iopub(HEAD + "raw(head, parent, b'{}', b'{\"name\": \"stdout\", \"text\": ' + b'9' * 10**6 + b'}')"),
    "message with NaN": iopub(HEAD + "raw(head, parent, b'{}', b'{\"name\": NaN, \"text\": Infinity}')"),
    "message signed with another key": iopub(
        "from jupyter_client.session import Session\n"
        "send('stream', {'name': 'stdout', 'text': 'x'}, Session(key=b'another'))"
    ),
    "message sent twice": iopub("parts = s.serialize(s.msg('stream', {'name': 'stdout', 'text': 'x'}, parent=k.get_parent()))\n"
        "for _ in range(3): k.iopub_socket.send_multipart([b'x', *parts])"),
    "one garbage frame": iopub("k.iopub_socket.send_multipart([b'garbage'])"),
    "empty frames": iopub("k.iopub_socket.send_multipart([b'', b'', b''])"),
    "a delimiter and nothing": iopub("k.iopub_socket.send_multipart([b'<IDS|MSG>'])"),
    "garbage behind the delimiter": iopub("k.iopub_socket.send_multipart([b'x', b'<IDS|MSG>', b'signature', bytes(range(256))])"),
    "ten thousand frames": iopub("k.iopub_socket.send_multipart([b'x'] * 10_000)"),
    "ten thousand buffers": iopub("send('display_data', {'data': {}, 'metadata': {}}, buffers=[b'x'] * 10_000)"),
    "early idle": iopub("import time\nsend('status', {'execution_state': 'idle'})\ntime.sleep(1)", None),
    "messages of another cell": iopub("send('execute_result', {'data': {'text/plain': '10'}, 'metadata': {}, 'execution_count': 3},\n"
        "     parent={'header': {'msg_id': 'x', 'session': s.session}})"),
    "the channel of outputs is closed": iopub("k.iopub_socket.close()", None),
    "another signature from now on": iopub("s.key = b'another'", None),
    "result that says passed": iopub(
        f"send('execute_result', {{'data': {{'text/plain': '10'}}, 'metadata': {STATED}, 'execution_count': 1}})"
    ),
    "verdict of a function": Attack(
        "k = get_ipython().kernel\n" + in_function(
            f"k.session.send(k.iopub_socket, 'execute_result', parent=k.get_parent(),\n"
            f"    content={{'data': {{'text/plain': '10'}}, 'metadata': {STATED}, 'execution_count': 1}})"
        )
    ),
    "forged verdict": Attack(
        "from IPython.display import display\n"
        f"display({{'application/vnd.autograder.result+json': {FORGED}}}, raw=True)\n"
        + in_function(
            "from IPython.display import display\n"
            f"display({{'application/vnd.autograder.result+json': {FORGED}}}, raw=True)".replace("\n ", " ")
        )
    ),
    "displayhook": Attack(in_function("get_ipython().displayhook(10)")),
    "displayhook in the cell": Attack("get_ipython().displayhook(10)" + NOTHING),
}  # fmt: skip

REPLIES = {
    "forged reply": patch("server", "answer", "lambda *a: m.wire.dumps([np.ones((2, 3)), None, [], None, ''])"),
    "forged reply of zeros": patch("server", "answer", "lambda request, *a: m.wire.dumps([np.zeros(request[1][0]), None, [], None, ''])"),
    "forged reply that changes arguments": patch(
        "server", "answer", "lambda *a: m.wire.dumps([np.ones((2, 3)), None, [(i, np.ones((2, 3))) for i in (-1, 0, 1, 2, 10**9)], None, ''])"),
    "forged reply with a generator's state": patch(
        "server", "answer", "lambda *a: m.wire.dumps([1.0, None, [], ('MT19937', np.zeros(624, np.uint32), 624, 0, 0.0), ''])"),
    "forged exceptions": patch(
        "server", "answer", "lambda *a: m.wire.dumps([None, ('OutOfTime', 'x' * 10**6, 'y' * 10**6), [], None, ''])"),
    "forged prints": patch("server", "answer", "lambda *a: m.wire.dumps([None, None, [], None, 'x' * 7_000_000])"),
    "garbage reply": patch("server", "answer", "lambda *a: bytes(range(256))"),
    "deep reply": patch("server", "answer", "lambda *a: b'[' * 10**6"),
    "a reply of another place": patch("server", "answer", "lambda *a: b''"),
    "replaced frames": patch("server", "framed", "lambda data: data"),
    "half a reply": patch("server", "framed", "lambda data: m.HEADER.pack(len(data)) + data[:5]"),
    "two replies": patch("server", "framed", "lambda data, f=m.framed: f(data) * 2"),
    "no encoding": patch("wire", "dumps", "lambda *a, **k: b'x'"),
    "no decoding": patch("wire", "loads", "lambda *a, **k: ['dropout_mask', [], {}, None]"),
    "no captured output": patch("server", "quiet", "lambda *a: None"),
    "announced a petabyte": serve("c.sendall(m.HEADER.pack(2**60) + bytes(100))\ntime.sleep(60)"),
    "announced 255 MB": serve("c.sendall(m.HEADER.pack(255_000_000) + bytes(100))\ntime.sleep(60)"),
    "sent without end": serve("c.settimeout(30)\ntry:\n    while True: c.sendall(m.HEADER.pack(2**20) + bytes(2**20))\nexcept OSError: pass"),
    "an endless reply": serve("c.settimeout(60)\ntry:\n    c.sendall(m.HEADER.pack(255_999_999))\n    while True: c.sendall(bytes(2**20))\nexcept OSError: pass"),
    "a reply drop by drop": serve("try:\n    c.sendall(m.HEADER.pack(1000))\n    while True:\n        c.sendall(b'x')\n        time.sleep(0.3)\nexcept OSError: pass"),
    "silence": serve("time.sleep(100)"),
    "hung up": serve("c.close()"),
    "colliding keys of integers": serve("key = lambda i: msgpack.ExtType(4, (i * (2**61 - 1)).to_bytes(9 + i // 500, 'little', signed=True))\n"
        "c.sendall(message(msgpack.packb([{key(i): 0 for i in range(20_000)}, None, [], None, ''])))\ntime.sleep(5)"),
    "colliding keys of numbers": serve("body = b''.join(msgpack.packb(msgpack.ExtType(4, (i * (2**61 - 1)).to_bytes(12, 'little', signed=True))) + b'\\xc0' for i in range(200_000))\n"
        "c.sendall(message(b'\\x95\\xdf' + struct.pack('>I', 200_000) + body + b'\\xc0\\x90\\xc0\\xa0'))\ntime.sleep(5)"),
    "a million empty lists": serve("c.sendall(message(msgpack.packb([[[]] * 7_000_000, None, [], None, ''])))\ntime.sleep(5)"),
    "a list of arrays of no size": serve("a = msgpack.ExtType(2, b'<f8' + struct.pack('<1q', 0))\n"
        "c.sendall(message(msgpack.packb([[a] * 400_000, None, [], None, ''])))\ntime.sleep(5)"),
    "many large generators": serve("g = m.wire.dumps(np.random.Generator(np.random.MT19937(1)))[4:]\n"
        "c.sendall(message(msgpack.packb([[0] * 3, None, [], None, ''])[:1] + b'\\xdd' + struct.pack('>I', 2500) + g * 2500 + b'\\xc0\\x90\\xc0\\xa0'))\ntime.sleep(5)"),
    "descriptors sent along": serve("try:\n    for _ in range(300):\n"
        "        socket.send_fds(c, [frame(b'x')], [c.fileno()] * 200)\nexcept OSError: pass\ntime.sleep(2)"),
    "first at the socket": Attack(
        "import os, socket, threading, time\n"
        "def first():\n"
        "    held = []\n"
        "    for _ in range(3000):\n"
        "        try:\n"
        "            for name in os.listdir('..'):\n"
        "                s = socket.socket(socket.AF_UNIX)\n                s.connect('../' + name)\n"
        "                s.sendall(b'\\0' * 7 + b'\\5\\0\\0\\0\\1\\xc0')\n                held.append(s)\n"
        "        except OSError: pass\n"
        "        time.sleep(0.001)\n"
        "threading.Thread(target=first, daemon=True).start()" + NOTHING, None),
    "a folder in the socket's place": Attack(
        "import os\nos.makedirs('../calls/x/y')\nopen('../calls/x/z', 'w').close()" + NOTHING, None),
    "a link in the socket's place": Attack(
        "import os\nos.symlink('/dev/null', '../calls')" + NOTHING, True),
    "no more sockets' folder": Attack(
        "import os\nos.chmod('..', 0)" + NOTHING, None),
    "sockets removed": Attack(
        "import os\n[os.unlink('../' + n) for n in os.listdir('..') if n != 'work']" + NOTHING, None),
}  # fmt: skip

PATCHES = {
    "numpy comparisons": Attack("import numpy.testing as t\nt.assert_allclose = lambda *a, **k: None\n"
        "np.allclose = np.array_equal = lambda *a, **k: True\nnp.isfinite = lambda x: np.ones(1, bool)" + NOTHING, None),
    "numpy's arrays": Attack("np.asarray = np.array = np.copy = lambda *a, **k: np.ones((2, 3))" + NOTHING, None),
    "AssertionError": Attack("import builtins\nbuiltins.AssertionError = type('Nothing', (Exception,), {})" + NOTHING, None),
    "builtins": Attack("import builtins\nbuiltins.all = builtins.any = lambda x: True\nbuiltins.abs = lambda x: 0" + NOTHING, None),
    "type and isinstance": Attack("import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.type = lambda *a: np.ndarray" + NOTHING, None),
    "json": Attack("import json\njson.loads = lambda *a, **k: 1" + NOTHING, None),
    "msgpack": Attack("import msgpack\nmsgpack.Packer = msgpack.packb = msgpack.unpackb = lambda *a, **k: b'x'" + NOTHING, None),
    "socket": Attack("import socket\nsocket.socket.sendall = lambda self, data: self.send(bytes(1000))" + NOTHING, None),
    "struct": Attack("import struct\nstruct.Struct = struct.pack = struct.unpack = None" + NOTHING, None),
    "import system": Attack("import sys\nsys.modules['autograder.student.server'] = None" + NOTHING, None),
    "modules gone": Attack("import sys\nsys.modules.clear()" + NOTHING, None),
    "import hook": Attack("import sys\nclass Hook:\n    def find_spec(self, *a):\n        raise SystemExit\n"
        "sys.meta_path.insert(0, Hook())\nsys.path_hooks.insert(0, Hook)" + NOTHING, None),
    "check": Attack("import autograder, sys\nfrom autograder import check\n"
        "sys.modules['autograder.check'].__dict__['__getattr__'] = lambda name: (lambda *a, **k: print('passed'))\n"
        "class C:\n    def __getattr__(self, name): return lambda *a, **k: None\ncheck = autograder.check = C()" + NOTHING),
    "display formatter": Attack("get_ipython().display_formatter.format = lambda *a, **k: ({'text/plain': '10'}, {})" + NOTHING, None),
    "input transformer": Attack("get_ipython().input_transformers_cleanup.append(lambda lines: [])" + NOTHING, None),
    "tree transformer": Attack("import ast\nclass T(ast.NodeTransformer):\n    def visit_FunctionDef(self, node):\n        return None\n"
        "get_ipython().ast_transformers.append(T())" + NOTHING, None),
    "events of IPython": Attack("def bad(*a):\n    raise SystemExit\nfor e in ('pre_execute', 'pre_run_cell', 'post_run_cell', 'post_execute'):\n"
        "    get_ipython().events.register(e, bad)" + NOTHING, None),
    "showtraceback": Attack("get_ipython().showtraceback = lambda *a, **k: None" + NOTHING),
    "run_cell": Attack("get_ipython().run_cell = lambda *a, **k: None" + NOTHING, None),
    "the kernel's execute": Attack("k = get_ipython().kernel\nk.shell_handlers['execute_request'] = None\nk.do_execute = None" + NOTHING, None),
    "the kernel's loop": Attack("import asyncio\nasyncio.get_running_loop().stop()" + NOTHING, None),
    "tracing": Attack("import sys, threading\ndef trace(*a):\n    raise SystemExit\nsys.settrace(trace)\nthreading.settrace(trace)" + NOTHING, None),
    "profiling": Attack("import sys\ndef profile(frame, event, arg):\n    if frame.f_code.co_name == 'answer' and event == 'return':\n"
        "        frame.f_locals.update(returned=np.ones((2, 3)))\nsys.setprofile(profile)" + NOTHING, None),
    "audit hook": Attack("import sys\ndef hook(event, args):\n    if event.startswith(('socket', 'import', 'exec')):\n        raise SystemExit\n"
        "sys.addaudithook(hook)" + NOTHING, None),
    "garbage collector's callbacks": Attack("import gc\ndef bad(*a):\n    raise SystemExit\ngc.callbacks.append(bad)\ngc.set_threshold(1)" + NOTHING, None),
    "weak references' callbacks": Attack("import weakref, gc\nclass A: pass\nkept = []\n"
        + in_function("a = A()\nkept.append(weakref.finalize(a, lambda: (_ for _ in ()).throw(SystemExit)))\nreturn a")),
    "signal handler": Attack("import signal\ndef bad(*a):\n    raise KeyboardInterrupt\nsignal.signal(signal.SIGALRM, bad)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)" + NOTHING, None),
    "memory written with ctypes": Attack("import ctypes\nfor n in (1.0, 0.5):\n    pass\n"
        "ctypes.memmove(id(np.float64(1)) + 16, bytes(8), 8)\none = 10**3\n"
        "ctypes.memmove(id(5) + 24, (1).to_bytes(4, 'little'), 4)" + NOTHING, None),
    "True is False": Attack("import ctypes\nctypes.memmove(id(True) + 24, bytes(4), 4)" + NOTHING, None),
    "code of the server": Attack("import autograder.student.server as m\n"
        "def answer(request, namespace, memory):\n    return wire.dumps([np.ones((2, 3)), None, [], None, ''])\n"
        "m.answer.__code__ = answer.__code__" + NOTHING, None),
    "code of the server with another form": Attack("import autograder.student.server as m\nm.answer.__code__ = (lambda *a: 10).__code__" + NOTHING, None),
    "exceptions of the server": Attack("import autograder.student.outcome as m\nm.raised = lambda error: None" + NOTHING, None),
    "recursion limit": Attack("import sys\nsys.setrecursionlimit(60)" + NOTHING, None),
    "integers without limit": Attack("import sys\nsys.set_int_max_str_digits(0)\n" + in_function("pass", "int('9' * 10**5)")),
    "warnings are errors": Attack("import warnings\nwarnings.simplefilter('error')\nwarnings.warn = warnings.showwarning = None" + NOTHING, None),
    "standard streams": Attack("import sys\nsys.stdout = sys.stderr = sys.__stdout__ = None" + NOTHING, None),
    "global random state": Attack("import numpy.random as r\nr.get_state = r.set_state = r.seed = lambda *a, **k: None\n"
        + in_function("pass", "np.ones(shape)"), None),
    "state of the random generator": Attack(in_function("rng.bit_generator.state = {**rng.bit_generator.state, 'has_uint32': 1, 'uinteger': 2**32 - 1}")),
    "another random generator": Attack(in_function("rng.__init__(np.random.MT19937(0))")),
}  # fmt: skip

TRICKS = {
    "empties its input": Attack(
        "def dropout_forward(x, p, training, rng):\n    x[...] = 0\n    return x, x\n"
        "def dropout_backward(dout, cache):\n    dout[...] = 0\n    return dout\n"
        "def adam(param, grad, state, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, **more):\n"
        "    param[...] = 0\n    grad[...] = 0\n    return param, {}", share=0.05),
    "resizes its input": Attack(
        "def dropout_forward(x, p, training, rng):\n    x.resize((0,), refcheck=False)\n    return x, x\n"
        "def dropout_backward(dout, cache):\n    dout.resize((10**6,), refcheck=False)\n    return dout\n"
        "def adam(param, grad, state, lr=1e-3, **more):\n    param.shape = -1\n    return param, {}", share=0.05),
    "fills its state": Attack(
        "def adam(param, grad, state, lr=1e-3, **more):\n    state.update({i * (2**61 - 1): i for i in range(20_000)})\n"
        "    return param, state", share=0.05),
    "alternates": Attack("n = 0\n" + in_function("global n\nn += 1\nreturn [None, 1, 'x', np.nan, (), {}][n % 6]")),
}  # fmt: skip
ATTACKS = {**MESSAGES, **REPLIES, **PATCHES, **TRICKS}
