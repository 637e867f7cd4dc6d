"""What might a small class hand in? Wrong solutions for the demo, per student: cell id → source."""

from __future__ import annotations

AVERAGED = """
def momentum(param, grad, state, lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0):
    g = grad + weight_decay * param
    velocity = momentum * state.get("velocity", np.zeros_like(param)) + (1 - momentum) * g
    return param - lr * velocity, {"velocity": velocity}
"""
UNDER_THE_ROOT = """
def rmsprop(param, grad, state, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0,
            momentum=0.0, centered=False):
    g = grad + weight_decay * param
    v = alpha * state.get("v", np.zeros_like(param)) + (1 - alpha) * g * g
    a = alpha * state.get("a", np.zeros_like(param)) + (1 - alpha) * g
    d = g / np.sqrt((v - a * a if centered else v) + eps)
    b = momentum * state.get("b", np.zeros_like(param)) + d
    return param - lr * b, {"v": v, "a": a, "b": b}
"""
ALWAYS_THE_FIRST = """
def adam(param, grad, state, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False):
    t = state.get("t", 0) + 1
    g = grad + weight_decay * param
    m = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = betas[1] * state.get("v", 0) + (1 - betas[1]) * g**2
    v_max = np.maximum(v, state.get("v_max", 0))
    root = np.sqrt((v_max if amsgrad else v) / (1 - betas[1] ** t))
    new_state = {"m": m, "v": v, "v_max": v_max}
    return param - lr * m / (1 - betas[0] ** t) / (root + eps), new_state
"""
EACH_BY_ITSELF = """
def clip_by_norm(grads, max_norm):
    clipped = []
    for grad in grads:
        norm = float(np.linalg.norm(grad))
        clipped.append(grad * min(1.0, max_norm / (norm + 1e-6)))
    return clipped
"""
IN_PLACE = """
def sgd(param, grad, state, lr=1e-3, weight_decay=0.0):
    grad += weight_decay * param
    return param - lr * grad, state
"""
ONE_EPOCH_EARLY = """
def reduce_on_plateau(lr, loss, state, factor=0.1, patience=10, threshold=1e-4):
    print("loss", loss)
    best, bad = state.get("best", float("inf")), state.get("bad", 0)
    if loss < best * (1 - threshold):
        return lr, {"best": loss, "bad": 0}
    bad += 1
    if bad >= patience:
        return lr * factor, {"best": best, "bad": 0}
    return lr, {"best": best, "bad": bad}
"""

SUBMISSIONS: dict[str, dict[str, str]] = {
    "boris-averages-gradients": {"momentum": AVERAGED},
    "chen-eps-under-the-root": {"rmsprop": UNDER_THE_ROOT},
    "dora-forgets-the-step": {"adam": ALWAYS_THE_FIRST},
    "emil-clips-each-array": {"clip_by_norm": EACH_BY_ITSELF},
    "gita-changes-the-gradient": {"sgd": IN_PLACE},
    "hugo-reduces-early": {"reduce_on_plateau": ONE_EPOCH_EARLY},
}
