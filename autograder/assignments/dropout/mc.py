"""What does Monte Carlo dropout do? Aspects of a function that predicts with dropout left on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autograder.assignments.dropout import oracle
from autograder.assignments.dropout.layer import Array, Rng, inputs, seeded
from autograder.engine.colocate import one_call
from autograder.engine.compare import Close, Expectation, Is, Raises, Unchanged
from autograder.engine.declare import Aspect, Case, Functions, Observation
from autograder.engine.messages import N_
from autograder.engine.observe import array, attempt, parts
from autograder.student.generators import copied
from autograder.student.networks.dropout import NoisyClassifier


def mc_aspects() -> list[Aspect]:
    """Return what ``mc_dropout`` is scored for."""

    def mc_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        cases = []
        for n_inputs, n_samples in [(2, 3), (5, 12) if hidden else (3, 7)]:
            predict = NoisyClassifier(rng.standard_normal((4, 3)), p=0.4)
            given = {
                "predict": predict,
                "x": inputs(rng, (n_inputs, 4)),
                "n_samples": n_samples,
                "rng": seeded(rng),
            }
            cases.append(Case(f"{n_samples} samples, x of shape ({n_inputs}, 4)", given, ()))
        return cases

    @one_call
    def observe(f: Functions, c: Case) -> Observation:
        x = c.x.copy()
        result = f[0](c.predict, x, c.n_samples, copied(c.rng))
        mean, std = (
            array(a, n) for a, n in zip(parts(result, "mean", "std"), ("mean", "std"), strict=True)
        )
        return {
            "mean": mean,
            "std": std,
            "std is zero everywhere": bool((std == 0).all()),
            "x after the call": x,
        }

    def samples(c: Case) -> list[Array]:
        rng = copied(c.rng)
        return [c.predict(c.x, True, rng) for _ in range(c.n_samples)]

    def expect_mean(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"mean": Close(oracle.mean_and_std(samples(c))[0])}

    def expect_std(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"std": Close(oracle.mean_and_std(samples(c))[1])}

    def expect_random(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"std is zero everywhere": Is(False)}

    def expect_input(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"x after the call": Unchanged(c.x)}

    def invalid_cases(rng: Rng, hidden: bool) -> Sequence[Case]:
        (first, *_rest) = mc_cases(rng, hidden)
        return [Case(f"{n} samples", {**first.given, "n_samples": n}, ()) for n in (0, -3)]

    @one_call
    def observe_invalid(f: Functions, c: Case) -> Observation:
        call = lambda: f[0](c.predict, c.x.copy(), c.n_samples, copied(c.rng))  # noqa: E731
        return {"exception": attempt(call)}

    def expect_invalid(c: Case, seen: Observation) -> Mapping[str, Expectation]:
        return {"exception": Raises("ValueError")}

    return [
        Aspect(
            "dropout stays on",
            N_("predict is called in training mode, so repeated predictions differ"),
            2,
            mc_cases,
            observe,
            expect_random,
            main=True,
            contract=True,
        ),
        Aspect(
            "mean",
            N_("mean is the average of the n_samples predicted probabilities"),
            3,
            mc_cases,
            observe,
            expect_mean,
            main=True,
        ),
        Aspect(
            "std",
            N_(
                "std is the standard deviation over the samples, divided by n_samples (not n_samples - 1)"
            ),
            2,
            mc_cases,
            observe,
            expect_std,
        ),
        Aspect(
            "invalid n_samples",
            N_("n_samples below 1 raises ValueError"),
            1,
            invalid_cases,
            observe_invalid,
            expect_invalid,
            contract=True,
        ),
        Aspect(
            "input kept",
            N_("the input array is not modified"),
            1,
            mc_cases,
            observe,
            expect_input,
            contract=True,
        ),
    ]
