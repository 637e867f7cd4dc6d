"""Do results keep their meaning as text, HTML and JSON?"""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from autograder import check
from autograder.assignments import all_checks, names
from autograder.engine.compare import Close
from autograder.engine.declare import Aspect, Case, Check
from autograder.engine.results import MIME, CheckResult
from autograder.engine.run import run_check
from autograder.student.outcome import Captured, quiet

MASK = all_checks()["dropout_mask"]


def result_of(mask) -> CheckResult:
    return run_check(MASK, (mask,))


def test_json_round_trip() -> None:
    result = result_of(lambda shape, p, rng: np.ones(shape))
    again = CheckResult.from_dict(json.loads(json.dumps(result.to_dict())))
    assert again.score == result.score
    assert again.named == result.named
    assert again.text() == result.text()


@pytest.mark.parametrize("bad", [{}, {"check": 1}, {"aspects": 3}, {"named": [{}]}])
def test_malformed_json_is_refused(bad: dict) -> None:
    good = result_of(lambda shape, p, rng: np.ones(shape)).to_dict()
    with pytest.raises(ValueError, match="not a check result"):
        CheckResult.from_dict({**(good if bad else {}), **bad} if "check" not in bad else bad)


def test_score_is_the_weight_of_the_aspects_that_hold() -> None:
    def never_checks_p(shape, p, rng):
        return (rng.random(shape) >= p) * (0.0 if p == 1 else 1 / (1 - p))

    result = result_of(never_checks_p)
    failed = [a for a in result.aspects if not a.passed]
    assert [a.name for a in failed] == ["invalid p"]
    assert result.score == 1 - failed[0].weight / sum(a.weight for a in result.aspects)


def test_only_what_stands_beside_the_shown_value_is_printed() -> None:
    steps = {f"step {t}": {"gradient": t} for t in (1, 2, 3)}
    aspect = Aspect(
        "steps",
        "it walks",
        1,
        lambda rng, hidden: [Case("3 steps", {"start": 7}, ("start",), steps)],
        lambda f, c: {what: f[0](i) for i, what in enumerate(steps)},
        lambda c, seen: {what: Close(float(i)) for i, what in enumerate(steps)},
    )
    walk = Check("walk", "walking", "It walks.", ("walk",), (aspect,))
    result = run_check(walk, (lambda i: float(min(i, 1)),))
    assert result.failure.what == "step 3"
    assert result.failure.given == (("start", 7), ("gradient", 3))


def test_repairs_are_all_or_nothing() -> None:
    repair = all_checks()["published_dropout_forward"]

    def published(x, p, training, rng):
        mask = rng.binomial(1, p, x.shape) / p if p else np.zeros(x.shape)
        return (x * mask.astype(x.dtype), mask) if training else (x, None)

    result = run_check(repair, (published,))
    assert any(a.passed for a in result.aspects)
    assert result.score == 0


def test_unwritten_function() -> None:
    def stub(shape, p, rng):
        raise NotImplementedError

    result = result_of(stub)
    assert result.score == 0
    assert result.ending == "not written"
    assert len(result.text().splitlines()) == 2


def test_endless_loop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    def endless(shape, p, rng):
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue

    result = run_check(dataclasses.replace(MASK, seconds=0.3), (endless,))
    assert result.score == 0
    assert result.ending == "out of time"
    says = " ".join(result.text().split())
    assert (
        "did not finish within 0.3 s. Either a loop never ends, or each call does far more" in says
    )


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (lambda shape, p, rng: None, "got NoneType"),
        (lambda shape, p, rng: [1.0], "got list"),
        (lambda shape, p: 1, "TypeError"),
        (lambda shape, p, rng: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda shape, p, rng: np.ones(3), "shape (3,) instead of (2, 3)"),
        (lambda shape, p, rng: np.full(shape, "x"), "should be a NumPy array of numbers"),
        (lambda shape, p, rng: exit(), "SystemExit"),
    ],
)
def test_whatever_a_function_does_is_explained(mask, words: str) -> None:
    result = result_of(mask)
    assert not result.passed
    assert words in result.text()


def test_the_line_of_the_students_code_is_shown() -> None:
    def broken(shape, p, rng):
        return rng.no_such_method(shape)

    assert "return rng.no_such_method(shape)" in result_of(broken).text()


def test_html_escapes_what_students_control() -> None:
    def evil(shape, p, rng):
        print("<script>alert(1)</script>")
        raise RuntimeError("<img src=x onerror=alert(2)>")

    page = result_of(evil).html()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_prints_and_warnings_do_not_leak(capfd: pytest.CaptureFixture[str]) -> None:
    import warnings

    def chatty(shape, p, rng):
        print("x" * 100_000)
        warnings.warn("careful", stacklevel=1)
        return np.ones(shape)

    result = result_of(chatty)
    assert capfd.readouterr() == ("", "")
    assert len(result.printed) <= 2000


def test_warnings_are_shown_with_the_result() -> None:
    result = result_of(lambda shape, p, rng: np.ones(shape) / np.float64(0))
    assert "RuntimeWarning: divide by zero" in result.printed


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    result_of(lambda shape, p, rng: np.random.rand(*shape))
    assert np.array_equal(np.random.get_state()[1], before)


# -- the face that notebooks see ---------------------------------------------------------------


def test_check_raises_with_a_short_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError) as caught:
        check.dropout_mask(lambda shape, p, rng: (rng.random(shape) >= p) * 1.0)
    assert "not divided by 1 - p" in str(caught.value)
    assert caught.value._render_traceback_() == [str(caught.value)]
    assert "Smallest failing case" in capsys.readouterr().out


def test_check_can_collect_instead_of_raising(capsys: pytest.CaptureFixture[str]) -> None:
    with check.collecting() as results:
        check.dropout_mask(lambda shape, p, rng: None)
        check.dropout_mask(lambda shape, p, rng: None, hidden=True)
    assert [r.hidden for r in results] == [False, True]
    assert capsys.readouterr().out == ""


def test_check_explains_wrong_use() -> None:
    with pytest.raises(
        AttributeError, match="there is no check called 'dropuot_mask'; there are: "
    ):
        _ = check.dropuot_mask
    with pytest.raises(
        TypeError, match=r"check.dropout_backward\(dropout_forward, dropout_backward\)"
    ):
        check.dropout_backward(lambda dout, cache: dout)
    with pytest.raises(TypeError, match="with the functions you wrote"):
        check.dropout_mask(np.ones(3))


def test_checks_can_be_found() -> None:
    assert "dropout_mask" in dir(check)
    assert "a unit is dropped with probability p" in check.dropout_mask.__doc__
    assert "dropout" in names()


def test_mime_bundle_has_all_faces() -> None:
    bundle = result_of(lambda shape, p, rng: None)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", MIME}


def test_garbage_of_others_is_not_what_a_function_printed() -> None:
    printed = Captured()
    with quiet(printed):
        warnings.warn("careful", stacklevel=1)
        warnings.warn("unclosed event loop", ResourceWarning, stacklevel=1)
    assert printed.getvalue() == "UserWarning: careful\n"
