"""Do functions earn that do nothing of what was asked? Degenerate ones, and training without them."""

from __future__ import annotations

from tests.attacks.kinds import Attack

ALL = """
def dropout_mask(shape, p, rng):
    return {mask}
def dropout_forward(x, p, training, rng):
    return {array}, None
def dropout_backward(dout, cache):
    x = dout
    return {array}
def adam(param, grad, state, lr=1e-3, *rest, **more):
    x = param
    return {array}, {{}}
def fold_batchnorm(*arguments, **more):
    x = arguments[0]
    return {array}, {array}
"""


def degenerate(mask: str, array: str) -> Attack:
    """All functions of the course in the same degenerate form."""
    return Attack(ALL.format(mask=mask, array=array), share=0.05)


OWN_LOOP = """
import sys
import autograder.student.training as t
real = t.train_mlp
def sound_momentum(param, grad, state, lr=0.02, momentum=0.9, **more):
    buf = momentum * state['buf'] + grad if state else grad
    return param - lr * buf, {'buf': buf}
class SoundDropout(t.Hidden):
    def forward(self, layer, z, own, training, rng):
        h = np.maximum(z, 0)
        mask = (rng.random(z.shape) >= 0.3) / z.dtype.type(0.7) if training else np.ones_like(z)
        return h * mask.astype(z.dtype), (z > 0) * mask.astype(z.dtype)
    def backward(self, dout, cache):
        return dout * cache, ()
def mine(x, y, recipe, hidden=None, update=None, *rest, **more):
    return real(x, y, recipe, SoundDropout() if hidden is not None else None,
                sound_momentum if update is not None else None, *rest, **more)
for module in list(sys.modules.values()):
    if getattr(module, '__name__', '').startswith('autograder') and hasattr(module, 'train_mlp'):
        module.train_mlp = mine
"""
RAISING = """
def momentum(param, grad, state, *rest, **more):
    raise NotImplementedError
def dropout_forward(x, p, training, rng):
    raise NotImplementedError
def dropout_backward(dout, cache):
    raise NotImplementedError
"""
WORK = """
import sys
def done(*arguments, **more):
    return [(np.zeros((2, 3)), np.zeros(3))]
for module in list(sys.modules.values()):
    if getattr(module, '__name__', '').startswith('autograder.student'):
        for name in ('train', 'train_mlp', 'record_steps', 'walk', 'walks', 'in_turn', 'passes', 'forward', 'gradients'):
            if hasattr(module, name):
                setattr(module, name, done)
"""

ATTACKS = {
    "all zeros": degenerate("np.zeros(shape)", "np.zeros_like(x)"),
    "all ones": degenerate("np.ones(shape)", "np.ones_like(x)"),
    "all NaN": degenerate("np.full(shape, np.nan)", "np.full_like(x, np.nan)"),
    "all infinite": degenerate("np.full(shape, np.inf)", "np.full_like(x, -np.inf)"),
    "a constant": degenerate("3.0", "3.0"),
    "input plus one": degenerate("np.ones(shape) + 1", "x + 1"),
    "identity": degenerate("shape", "x"),
    "always ValueError": degenerate("int('x')", "int('x')"),
    "always None": degenerate("None", "None"),
    "empty arrays": degenerate("np.empty(0)", "np.empty(0)"),
    "one and the same object": Attack("same = np.zeros((2, 3))\n" + ALL.format(mask="same", array="same"), share=0.05),
    "training loop of one's own": Attack(OWN_LOOP + RAISING),
    "training that is not done": Attack(WORK + RAISING),
    "training loop over unwritten functions": Attack(
        OWN_LOOP.replace("def mine(x", "def mine_(x") + RAISING
        + "import autograder.student.networks.optimizers as o, autograder.student.networks.dropout as d\n"
        "R = t.Recipe.of\n"
        "o.train = lambda update, x, y, recipe, steps=None: real(x, y, R(recipe), update=sound_momentum, steps=steps)\n"
        "d.train = lambda f, b, x, y, recipe: real(x, y, R(recipe), SoundDropout())\n"
        "d.record_steps = lambda f, b, x, y, recipe, p, steps: (real(x, y, R(recipe), SoundDropout(), steps=steps), [])"
    ),
    "network without dropout": Attack(
        "def dropout_forward(x, p, training, rng):\n    return x, None\n"
        "def dropout_backward(dout, cache):\n    return dout", share=0.05),
    "network with one fixed mask": Attack(
        "def mask(shape, p):\n    return ((np.arange(np.prod(shape)).reshape(shape) * 0.618) % 1 >= p) / (1 - p)\n"
        "def dropout_forward(x, p, training, rng):\n"
        "    m = mask(x.shape, p).astype(x.dtype) if training else np.ones_like(x)\n    return x * m, m\n"
        "def dropout_backward(dout, cache):\n    return dout * cache", share=1.0),
    "parameters of any shape": Attack(
        "import sys, autograder.student.networks.optimizers as o\n"
        "o.train = lambda update, x, y, recipe, steps=None: [(np.ones((64, 5000)), np.ones(5000)), (np.ones((5000, 4)), np.ones(4))] * 3\n"
        "for m in list(sys.modules.values()):\n"
        "    if getattr(m, '__name__', '').startswith('autograder') and hasattr(m, 'train_mlp'):\n"
        "        m.train_mlp = lambda x, *a, **k: [(np.ones((x.shape[1], 200_000)), np.ones(200_000)), (np.ones((200_000, 10)), np.ones(10))]\n"
        + RAISING),
    "parameters of no size": Attack(
        "import sys\nfor m in list(sys.modules.values()):\n"
        "    if getattr(m, '__name__', '').startswith('autograder') and hasattr(m, 'train_mlp'):\n"
        "        m.train_mlp = lambda x, *a, **k: [(np.ones((x.shape[1], 0)), np.ones(0)), (np.ones((0, 10)), np.ones(10))]\n"
        + RAISING),
    "functions that break the training": Attack(
        "def momentum(param, grad, state, *rest, **more):\n    return np.ones((3000, 3000)), {}\n"
        "def dropout_forward(x, p, training, rng):\n    return np.ones((3000, 3000)), None\n"
        "def dropout_backward(dout, cache):\n    return np.ones((3000, 3000))", share=0.05),
}  # fmt: skip
