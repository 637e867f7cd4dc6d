"""Are the calibrated thresholds what they claim to be?"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import scipy.stats

from autograder.assignments import all_checks
from autograder.assignments.dropout import misconceptions, mnist
from autograder.engine.run import run_check


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_threshold_follows_from_the_recorded_runs(name: str) -> None:
    entry = mnist.thresholds()[name]
    good = np.array(entry["correct"]["accuracies"])
    assert len(good) >= 100
    t = scipy.stats.t(len(good) - 1)
    spread = good.std(ddof=1) * np.sqrt(1 + 1 / len(good))
    failing = t.cdf((entry["accuracy"] - good.mean()) / spread)
    assert failing == pytest.approx(entry["probability_of_failing_correct"], rel=0.1)
    assert failing < 1e-3
    assert (good >= entry["accuracy"]).all()
    assert all(w["runs"] >= 20 for w in entry["wrong"].values())


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_thresholds_were_measured_with_this_recipe(name: str) -> None:
    recipe = asdict(mnist.RECIPES[name]) | {"train_images": mnist.TRAIN_IMAGES[name]}
    recorded = mnist.thresholds()[name]["recipe"]
    assert {**recorded, "hidden": tuple(recorded["hidden"])} == recipe


def test_every_trainable_mistake_was_measured() -> None:
    ids = {m.id for m in misconceptions.of_training()}
    for entry in mnist.thresholds().values():
        assert set(entry["wrong"]) == ids


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize(
    ("id", "aspect"),
    [
        ("D3-keep-and-drop-swapped", "accuracy"),
        ("D21-threshold-swapped", "accuracy"),
        ("D1-unscaled", "replay"),
        ("D8-never-active", "replay"),
        ("D10-new-mask-in-backward", "replay"),
        ("D12-gradient-scaled-twice", "replay"),
        ("D13-gradient-unmasked", "replay"),
    ],
)
def test_training_rejects_what_it_can_show(id: str, aspect: str) -> None:
    functions = next(m.functions for m in misconceptions.of_training() if m.id == id)
    result = run_check(all_checks()["mnist_dropout"], functions)
    assert aspect in [a.name for a in result.aspects if not a.passed]
    if aspect == "replay":
        assert id in [m.id for m in result.named]
