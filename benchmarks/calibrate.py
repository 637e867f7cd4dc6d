"""Where do accuracy thresholds come from? From the accuracies of many seeded runs, right and wrong.

    python benchmarks/calibrate.py dropout        # 20 CPU-minutes; MNIST_DIR must name MNIST

Trains the network of each accuracy check of the assignment with the reference solution (``--right``
seeds) and with every wrong implementation of the catalogue (``--wrong`` seeds each), on MNIST and on
the digits. Writes ``thresholds.json`` beside the assignment's checks and histograms to ``docs/figures``.

The threshold is where a correct solution fails with probability ``RISK``: a new run's accuracy is
predicted by Student's t distribution from the mean and standard deviation of the correct runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import multiprocessing
import os
import platform
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # one core per run; also makes the runs repeatable

import matplotlib  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import scipy.stats  # noqa: E402
from tqdm import tqdm  # noqa: E402

from autograder.accuracy import TRAIN_IMAGES, Accuracy  # noqa: E402
from autograder.assignments import all_checks  # noqa: E402

ROOT = Path(__file__).parents[1]
RISK = 1e-5
RIGHT = "right"


def accuracies(assignment: str) -> dict[str, Accuracy]:
    """Return the accuracy checks of an assignment by the names of their checks."""
    module = importlib.import_module(f"autograder.assignments.{assignment}.checks")
    return {entry.check: entry for entry in module.ACCURACIES}


def implementations(entry: Accuracy) -> dict[str, tuple[Any, ...]]:
    """Return the reference solution and, by id, the wrong implementations that can be trained."""
    solution: dict[str, Any] = {}
    exec((ROOT / "reference" / entry.assignment / "solution.py").read_text("utf-8"), solution)
    out = {RIGHT: tuple(solution[n] for n in all_checks()[entry.check].takes)}
    for wrong in entry.wrong():
        out.setdefault(wrong.id, wrong.functions)
    return out


def accuracy(job: tuple[str, str, str, str, int]) -> float:
    """Train one implementation with one seed and return its accuracy on the test images, 0 if it fails."""
    assignment, check, data_name, who, seed = job
    entry = accuracies(assignment)[check]
    functions = implementations(entry)[who]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return entry.trained_accuracy(functions, data_name, seed)
        except Exception:
            if who == RIGHT:
                raise
            return 0.0


def calibrate(entry: Accuracy, data_name: str, right: int, wrong: int, pool: Any) -> dict[str, Any]:
    """Return the threshold of a check on one data set, and all that it was derived from."""
    jobs = [
        (entry.assignment, entry.check, data_name, who, seed)
        for who in implementations(entry)
        for seed in range(1, 1 + (right if who == RIGHT else wrong))
    ]
    runs: dict[str, list[float]] = {}
    label = f"{entry.check}, {data_name}"
    results = tqdm(pool.imap(accuracy, jobs), total=len(jobs), desc=label)
    for (_a, _c, _d, who, _s), value in zip(jobs, results, strict=True):
        runs.setdefault(who, []).append(round(value, 4))
    good = np.array(runs.pop(RIGHT))
    mean, std, n = good.mean(), good.std(ddof=1), len(good)
    t = scipy.stats.t(n - 1)
    spread = std * math.sqrt(1 + 1 / n)
    threshold = math.floor(1e3 * (mean + t.ppf(RISK) * spread)) / 1e3
    return {
        "accuracy": threshold,
        "probability_of_failing_correct": float(f"{t.cdf((threshold - mean) / spread):.2g}"),
        "recipe": asdict(entry.recipes[data_name]) | {"train_images": TRAIN_IMAGES[data_name]},
        "correct": {
            "runs": n,
            "mean": round(float(mean), 4),
            "std": round(float(std), 5),
            "min": float(good.min()),
            "max": float(good.max()),
            "failed": int((good < threshold).sum()),
            "accuracies": good.tolist(),
        },
        "wrong": {
            who: {
                "runs": len(values),
                "mean": round(float(np.mean(values)), 4),
                "caught": round(float(np.mean(np.array(values) < threshold)), 3),
            }
            for who, values in sorted(runs.items())
        },
        "measured_with": f"NumPy {np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}",
    }


def draw(table: dict[str, Any], path: Path) -> None:
    """Draw the distribution of correct runs, the means of the wrong ones, and the threshold."""
    figure, axes = plt.subplots(1, len(table), figsize=(11, 4.2), layout="constrained")
    for axis, (name, entry) in zip(np.atleast_1d(axes), table.items(), strict=True):
        good = entry["correct"]["accuracies"]
        axis.hist(good, bins=20, color="#0072b2", label=f"correct, {len(good)} seeds")
        low = min(good) - 4 * (max(good) - min(good))
        means = [w["mean"] for w in entry["wrong"].values()]
        inside = [m for m in means if m > low]
        axis.plot(
            inside, [0.6] * len(inside), "|", ms=14, mew=2, color="#d55e00",
            label="one wrong implementation each (mean)",
        )  # fmt: skip
        axis.axvline(
            entry["accuracy"], color="black", ls="--", label=f"threshold {entry['accuracy']}"
        )
        outside = len(means) - len(inside)
        axis.set_title(name + (f" ({outside} wrong ones further left)" if outside else ""))
        axis.set_xlabel("accuracy on test images")
        axis.set_ylabel("correct runs")
        axis.legend(loc="upper left", fontsize=8)
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("assignment")
    parser.add_argument("--check", action="append", help="only this check (may be repeated)")
    parser.add_argument("--right", type=int, default=120, help="seeds for the reference solution")
    parser.add_argument("--wrong", type=int, default=20, help="seeds for each wrong implementation")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    checks = accuracies(options.assignment)
    path = ROOT / "autograder" / "assignments" / options.assignment / "thresholds.json"
    tables = json.loads(path.read_text("utf-8")) if path.exists() else {}
    with multiprocessing.Pool(options.workers) as pool:
        for check in options.check or checks:
            entry = checks[check]
            tables[check] = {
                name: calibrate(entry, name, options.right, options.wrong, pool)
                for name in entry.recipes
            }
            draw(tables[check], ROOT / "docs" / "figures" / f"{check.replace('_', '-')}.png")
            path.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    for check, table in tables.items():
        for name, found in table.items():
            caught = [w for w in found["wrong"].values() if w["caught"] > 0.95]
            print(
                f"{check}, {name}: threshold {found['accuracy']}, a correct solution fails with "
                f"probability {found['probability_of_failing_correct']:.1g}; {len(caught)} of "
                f"{len(found['wrong'])} wrong implementations are caught by accuracy in more than "
                "95 % of their runs"
            )


if __name__ == "__main__":
    main()
