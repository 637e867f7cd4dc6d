"""Can a returned or raised value deceive, stop or fill the examiner?"""

from __future__ import annotations

from tests.attacks.kinds import NOTHING, Attack, in_function


def returns(value: str, before: str = "") -> Attack:
    """A function that returns this."""
    return Attack(before + in_function("pass", value))


def raises(error: str, before: str = "") -> Attack:
    """A function that raises this."""
    return Attack(before + in_function(f"raise {error}"))


ATTACKS = {
    "__array__": returns("A()", "class A:\n    def __array__(self, *a, **k):\n        return np.ones((2, 3))\n"),
    "__array_interface__": returns("A()", "class A:\n    __array_interface__ = {'shape': (10**6, 10**6), 'typestr': '<f8', 'data': (0, False), 'version': 3}\n"),
    "__array_ufunc__": returns("A()", "class A:\n    def __array_ufunc__(self, *a, **k):\n        return True\n    __array_function__ = __array_ufunc__\n"),
    "__eq__": returns("A()", "class A:\n    def __eq__(self, other):\n        return True\n    __hash__ = None\n"),
    "__class__": returns("A()", "class A:\n    __class__ = np.ndarray\n    shape, dtype = (2, 3), np.dtype(float)\n"),
    "__class__ that raises": returns("A()", "class A:\n    @property\n    def __class__(self):\n        raise SystemExit\n"),
    "__getattr__ for everything": returns("A()", "class A:\n    def __getattr__(self, name):\n        return self\n    def __call__(self, *a, **k):\n        return self\n"),
    "hostile metaclass": returns("A()", "class M(type):\n    def __instancecheck__(cls, x): return True\n    def __subclasscheck__(cls, x): return True\n"
        "    def __eq__(cls, x): return True\n    __hash__ = type.__hash__\n    def mro(cls): return [cls, object]\nclass A(metaclass=M): pass\n"),
    "type name of a megabyte": returns("type('x' * 10**6, (), {})()"),
    "type name with escapes": returns("type('\\x1b[2J\\n::set-output name=a::b', (), {})()"),
    "ndarray subclass": returns("np.zeros(shape).view(A)", "class A(np.ndarray):\n    def __eq__(self, other):\n        return np.ones(self.shape, bool)\n"),
    "ndarray subclass that lies": returns("np.zeros(shape).view(A)", "class A(np.ndarray):\n    shape = (2, 3)\n    nbytes = -1\n"
        "    def tobytes(self, *a): return b'x' * 10**8\n    def copy(self, *a): return self\n    def astype(self, *a, **k): return self\n"),
    "float subclass": returns("F(1.0)", "class F(float):\n    def __sub__(self, other):\n        return 0.0\n"),
    "int subclass": returns("I(1)", "class I(int):\n    def bit_length(self): return 1\n    def to_bytes(self, *a, **k): return b'x' * 10**8\n"),
    "str subclass": returns("S('x')", "class S(str):\n    def encode(self, *a): return b'\\xff' * 10**8\n    def __len__(self): return -1\n"),
    "tuple subclass": returns("T((1, 2))", "class T(tuple):\n    def __iter__(self):\n        while True: yield 1\n    def __len__(self): return 10**15\n"),
    "list subclass": returns("L([1, 2])", "class L(list):\n    def __iter__(self):\n        while True: yield self\n    def __len__(self): return 2\n"),
    "dict subclass": returns("D(a=1)", "class D(dict):\n    def items(self):\n        while True: yield self, self\n    def __len__(self): return 1\n    keys = values = __iter__ = items\n"),
    "named tuple": returns("collections.namedtuple('Token', 'number type')(0, 'ndarray')", "import collections\n"),
    "a token of one's own": returns("wire.Token(0, 'ndarray')", "from autograder.student import wire\n"),
    "a structure of the package": returns("training.Recipe()", "from autograder.student import training\n"),
    "masked array": returns("np.ma.masked_all(shape)"),
    "object array": returns("np.full(shape, None)"),
    "array of objects that are arrays": returns("np.array([np.ones(3), {}, []], dtype=object)"),
    "structured array": returns("np.zeros(shape, dtype=[('a', 'f8'), ('b', 'O')])"),
    "dates": returns("np.zeros(shape, dtype='M8[ns]')"),
    "complex numbers": returns("np.ones(shape) * (1 + 0j)"),
    "NaN with payload": returns("np.full(shape, 0x7ff4deadbeefdead, dtype=np.uint64).view(float)"),
    "strided memory": returns("np.lib.stride_tricks.as_strided(np.ones(1), (1000, 1000, 1000), (0, 0, 0))"),
    "memory of others": returns("np.ctypeslib.as_array((ctypes.c_double * 10**6).from_address(id(None)))", "import ctypes\n"),
    "64 dimensions": returns("np.ones((1,) * 64)"),
    "array of a petabyte": returns("np.broadcast_to(0.0, (10**5, 10**5, 10**5))"),
    "empty array of a petabyte": returns("np.empty((2**31, 0, 2**31))"),
    "gigantic integer": returns("1 << 10**6"),
    "list of integers at the limit": returns("[1 << 4000] * 10**5"),
    "unpickling bait": returns("P()", "class P:\n    def __reduce__(self):\n        import os\n        return os._exit, (0,)\n"),
    "endless nesting": Attack(in_function("x = []\nfor _ in range(10**5): x = [x]", "x")),
    "nested tuples": Attack(in_function("x = ()\nfor _ in range(10**5): x = (x,)", "x")),
    "nested dicts": Attack(in_function("x = {}\nfor _ in range(10**5): x = {'a': x}", "x")),
    "nested arrays of objects": Attack(in_function("x = None\nfor _ in range(10**4):\n    y = np.empty(1, object)\n    y[0] = x\n    x = y", "x")),
    "circular": Attack(in_function("x = []\nx.append(x)", "x")),
    "doubling": Attack(in_function("x = [0.0]\nfor _ in range(40): x = [x, x]", "x")),
    "ten million items": returns("[None] * 10**7"),
    "a million arrays": returns("[np.ones(1)] * 10**6"),
    "a million keys": returns("dict.fromkeys(range(10**6))"),
    "colliding keys": returns("{i * (2**61 - 1): 0 for i in range(5000)}"),
    "keys of all kinds": returns("{np.nan: 1, (1, (2,)): 2, None: 3, 'x': 4, b'x': 5, np.float64(1): 6, frozenset(): 7, int: 8}"),
    "text of 100 MB": returns("'x' * 10**8"),
    "bytes of 300 MB": returns("bytes(3 * 10**8)"),
    "array of 250 MB": returns("np.zeros(31_000_000)"),
    "lone surrogate": returns("'\\ud800'"),
    "lone surrogate as a key": returns("{'\\ud800': np.str_('\\udfff')}"),
    "endless iterator": returns("itertools.count()", "import itertools\n"),
    "coroutine": Attack("async def dropout_mask(shape, p, rng):\n    return np.ones(shape)"),
    "generator function": Attack("def dropout_mask(shape, p, rng):\n    while True:\n        yield np.ones(shape)"),
    "callable object": Attack("class F:\n    def __call__(self, *a):\n        return None\n    def __getattr__(self, name):\n        raise SystemExit\ndropout_mask = F()"),
    "function that is a class": Attack("class dropout_mask:\n    def __new__(cls, *a):\n        raise SystemExit"),
    "function that is an array": Attack("dropout_mask = np.ones((2, 3))"),
    "function that is 300 MB": Attack("dropout_mask = bytes(3 * 10**8)"),
    "function that is a list of lists": Attack("dropout_mask = [[]] * 7_900_000"),
    "function that is colliding keys": Attack("dropout_mask = {i * (2**61 - 1): 0 for i in range(12_000)}"),
    "function that is the server's": Attack("import autograder.student.server as m\ndropout_mask = m.answer"),
    "name that raises": Attack("class G(dict):\n    def __missing__(self, key):\n        raise SystemExit\n"
        "globals().__class__\nadam = property(lambda self: 1 / 0)\nmomentum = type('E', (), {'__call__': None})()" + NOTHING),
    # -- exceptions
    "exception of 150 MB": Attack("raise Exception('x' * 150_000_000)"),
    "exception of 150 MB in the function": raises("Exception('x' * 150_000_000)"),
    "exception with a surrogate": Attack("raise Exception('\\ud800')"),
    "exception with a surrogate in the function": raises("Exception('\\ud800')"),
    "exception whose text raises": raises("E", "class E(Exception):\n    def __str__(self):\n        raise SystemExit\n    __repr__ = __str__\n"),
    "exception whose text is a number": raises("E", "class E(Exception):\n    def __str__(self):\n        return 5\n"),
    "exception whose text never comes": raises("E", "class E(Exception):\n    def __str__(self):\n        while True: pass\n"),
    "exception whose name is hostile": raises("type('x' * 10**6 + '\\n\\ud800', (Exception,), {})('\\x1b[2J')"),
    "exception of the examiner": raises("type('OutOfTime', (Exception,), {})('passed')"),
    "exception that says unwritten": raises("NotImplementedError(b'\\xff', '\\0')"),
    "exceptions in a circle": Attack(in_function("a, b = ValueError(1), ValueError(2)\na.__cause__, b.__cause__ = b, a\nraise a")),
    "exceptions nested deeply": Attack(in_function("e = ValueError(1)\nfor _ in range(10**4): e = ExceptionGroup('x', [e])\nraise e")),
    "exception of no kind": raises("type('B', (BaseException,), {})('x')"),
    "GeneratorExit": raises("GeneratorExit"),
    "StopIteration": raises("StopIteration(5)"),
    "KeyboardInterrupt": raises("KeyboardInterrupt"),
    "SystemExit in the function": raises("SystemExit"),
    "AssertionError without end": raises("AssertionError('passed\\n' * 10**6)"),
    "deep traceback": Attack("def deep(n):\n    return deep(n - 1) if n else 1 / 0\n" + in_function("import sys\nsys.setrecursionlimit(50_000)\ndeep(20_000)")),
    "surrogates in printed text": Attack("print('\\ud800')\n" + in_function("print('\\ud800' * 100)")),
    "surrogate in the source": Attack("x = '\ud800'\n" + NOTHING, None),
    "NUL in the source": Attack("x = '\0'" + NOTHING, None),
}  # fmt: skip
