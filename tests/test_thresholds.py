"""Are the calibrated thresholds what they claim to be?"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import scipy.stats

from autograder.accuracy import TRAIN_IMAGES, Accuracy, thresholds
from tests.conftest import ACCURACIES

ENTRIES = [
    pytest.param(entry, name, id=f"{entry.check}-{name}")
    for entry in ACCURACIES.values()
    for name in ("mnist", "digits")
]


@pytest.mark.parametrize(("entry", "name"), ENTRIES)
def test_threshold_follows_from_the_recorded_runs(entry: Accuracy, name: str) -> None:
    found = thresholds(entry.assignment)[entry.check][name]
    good = np.array(found["correct"]["accuracies"])
    assert len(good) >= 100
    t = scipy.stats.t(len(good) - 1)
    spread = good.std(ddof=1) * np.sqrt(1 + 1 / len(good))
    failing = t.cdf((found["accuracy"] - good.mean()) / spread)
    assert failing == pytest.approx(found["probability_of_failing_correct"], rel=0.1)
    assert failing < 1e-3
    assert (good >= found["accuracy"]).all()
    assert all(w["runs"] >= 20 for w in found["wrong"].values())


@pytest.mark.parametrize(("entry", "name"), ENTRIES)
def test_thresholds_were_measured_with_this_recipe(entry: Accuracy, name: str) -> None:
    recipe = asdict(entry.recipes[name]) | {"train_images": TRAIN_IMAGES[name]}
    recorded = thresholds(entry.assignment)[entry.check][name]["recipe"]
    assert {**recorded, "hidden": tuple(recorded["hidden"])} == recipe


@pytest.mark.parametrize(("entry", "name"), ENTRIES)
def test_every_trainable_mistake_was_measured(entry: Accuracy, name: str) -> None:
    measured = thresholds(entry.assignment)[entry.check][name]["wrong"]
    assert set(measured) == {m.id for m in entry.wrong()}
