"""Where do accuracy thresholds come from? From the accuracies of many seeded runs, right and wrong.

    python benchmarks/calibrate.py dropout        # 20 CPU-minutes; MNIST_DIR must name MNIST

Trains the network of the assignment's accuracy check with the reference solution (``--right`` seeds)
and with every wrong implementation of the catalogue (``--wrong`` seeds each), on MNIST and on the
digits. Writes ``thresholds.json`` beside the assignment's checks and a histogram to ``docs/figures``.

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
from dataclasses import asdict, replace
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

from autograder import datasets  # noqa: E402
from autograder.training import loss_and_accuracy, train_with_dropout  # noqa: E402

ROOT = Path(__file__).parents[1]
RISK = 1e-5
RIGHT = "right"


def implementations(assignment: str) -> dict[str, tuple[Any, ...]]:
    """Return the reference solution and, by id, the wrong implementations that can be trained."""
    solution = {}
    exec((ROOT / "reference" / assignment / "solution.py").read_text("utf-8"), solution)
    module = importlib.import_module(f"autograder.assignments.{assignment}.misconceptions")
    out = {RIGHT: tuple(solution[n] for n in mnist_module(assignment).MNIST_DROPOUT.takes)}
    for entry in module.of_training():
        out.setdefault(entry.id, entry.functions)
    return out


def mnist_module(assignment: str) -> Any:
    return importlib.import_module(f"autograder.assignments.{assignment}.mnist")


def accuracy(job: tuple[str, str, str, int]) -> float:
    """Train one implementation with one seed and return its accuracy on the test images."""
    assignment, data_name, who, seed = job
    mnist = mnist_module(assignment)
    data = datasets.load(data_name).first(mnist.TRAIN_IMAGES[data_name])
    recipe = asdict(replace(mnist.RECIPES[data_name], seed=seed))
    functions = implementations(assignment)[who]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        parameters = train_with_dropout(*functions, data.train_x, data.train_y, recipe)
        return loss_and_accuracy(parameters, data.test_x, data.test_y)[1]


def calibrate(assignment: str, data_name: str, right: int, wrong: int, pool: Any) -> dict[str, Any]:
    """Return the threshold on one data set, and all that it was derived from."""
    jobs = [
        (assignment, data_name, who, seed)
        for who in implementations(assignment)
        for seed in range(1, 1 + (right if who == RIGHT else wrong))
    ]
    runs: dict[str, list[float]] = {}
    results = tqdm(pool.imap(accuracy, jobs), total=len(jobs), desc=data_name)
    for (_a, _d, who, _s), value in zip(jobs, results, strict=True):
        runs.setdefault(who, []).append(round(value, 4))
    good = np.array(runs.pop(RIGHT))
    mean, std, n = good.mean(), good.std(ddof=1), len(good)
    t = scipy.stats.t(n - 1)
    spread = std * math.sqrt(1 + 1 / n)
    threshold = math.floor(1e3 * (mean + t.ppf(RISK) * spread)) / 1e3
    return {
        "accuracy": threshold,
        "probability_of_failing_correct": float(f"{t.cdf((threshold - mean) / spread):.2g}"),
        "recipe": asdict(mnist_module(assignment).RECIPES[data_name])
        | {"train_images": mnist_module(assignment).TRAIN_IMAGES[data_name]},
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


def draw(assignment: str, table: dict[str, Any], path: Path) -> None:
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
    parser.add_argument("--right", type=int, default=120, help="seeds for the reference solution")
    parser.add_argument("--wrong", type=int, default=20, help="seeds for each wrong implementation")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with multiprocessing.Pool(options.workers) as pool:
        table = {
            name: calibrate(options.assignment, name, options.right, options.wrong, pool)
            for name in mnist_module(options.assignment).RECIPES
        }
    path = ROOT / "autograder" / "assignments" / options.assignment / "thresholds.json"
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    draw(options.assignment, table, ROOT / "docs" / "figures" / f"{options.assignment}-mnist.png")
    for name, entry in table.items():
        caught = [w for w in entry["wrong"].values() if w["caught"] > 0.95]
        print(
            f"{name}: threshold {entry['accuracy']}, a correct solution fails with probability "
            f"{entry['probability_of_failing_correct']:.1g}; {len(caught)} of {len(entry['wrong'])} "
            "wrong implementations are caught by accuracy in more than 95 % of their runs"
        )


if __name__ == "__main__":
    main()
