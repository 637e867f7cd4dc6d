"""Is the catalogue of batch normalization complete, and does it tell mistakes apart?"""

from __future__ import annotations

import numpy as np

from autograder.assignments import all_checks, checks
from autograder.engine.run import run_check
from tests.batchnorm.test_accepted import require, two_functions, update_by_difference


def test_all_mistakes_of_a_function_are_in_the_catalogue() -> None:
    """B27 (momentum=None) and B28 (the start of gamma and beta) are those that no function can show."""
    ids = {m.id.split("-")[0] for c in checks("batchnorm").values() for m in c.misconceptions()}
    assert {f"B{i}" for i in range(1, 30) if i not in (27, 28)} <= ids


def test_two_mistakes_at_once_are_both_named() -> None:
    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        require(x, gamma, beta, running["mean"], running["var"], rows=2 if training else 1)
        mean, var = (x.mean(0), x.var(0)) if training else (running["mean"], running["var"])
        out = gamma * (x - mean) / (np.sqrt(var) + eps) + beta  # eps outside of the root
        after = update_by_difference(running, x, momentum) if len(x) > 1 else running  # always
        return out, None, after

    named = run_check(all_checks()["batchnorm_forward"], (forward,)).named
    assert {m.id for m in named} == {"B4-eps-outside-the-root", "B10-updates-in-evaluation"}


def test_kerass_conventions_lose_only_their_share() -> None:
    right, _backward = two_functions()

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        out, cache, _after = right(x, gamma, beta, running, training, momentum, eps)
        if not training:
            return out, cache, running
        new = {"mean": x.mean(0), "var": x.var(0)}
        after = {k: momentum * running[k] + (1 - momentum) * new[k] for k in new}
        return out, cache, after

    result = run_check(all_checks()["batchnorm_forward"], (forward,))
    assert {a.name for a in result.aspects if not a.passed} == {"running mean", "running variance"}
    assert result.named[0].id == "B3-swapped-and-biased"
    assert "Keras" in result.text()


def test_an_error_of_ones_own_is_shown_and_not_explained_away() -> None:
    """Some entries raise ValueError as well: another message is another mistake."""

    def forward(x, gamma, beta, running, training, momentum=0.1, eps=1e-5):
        raise ValueError("too many values to unpack")

    result = run_check(all_checks()["batchnorm_forward"], (forward,))
    assert all(set(named.aspects) <= {"row by row"} for named in result.named)
    assert "too many values to unpack" in result.text()


def test_a_cache_that_follows_the_mode_is_named() -> None:
    settings = {"training": True}
    forward, backward = two_functions()

    def remembering(x, gamma, beta, running, training, *more, **named):
        settings["training"] = training
        out, cache, running = forward(x, gamma, beta, running, training, *more, **named)
        return out, cache if len(cache) == 3 else (cache[0], cache[1] / gamma, gamma), running

    def reading(dout, cache):
        h, r, gamma = cache
        return backward(dout, cache if settings["training"] else (h, r * gamma))

    result = run_check(all_checks()["batchnorm_backward"], (remembering, reading))
    assert [a.name for a in result.aspects if not a.passed] == ["cache"]
    assert result.named[0].id == "B25-mode-by-reference"
