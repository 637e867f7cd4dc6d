"""What does the benchmark look like? Draws docs/figures/bench.png from docs/figures/bench.json.

python -m benchmarks.chart
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from autograder.student import figures

FOLDER = Path(__file__).parents[1] / "docs" / "figures"
COLORS = {
    "stock nbgrader": figures.GREY,
    "Otter": figures.ORANGE,
    "ours, 1 worker": figures.GREEN,
    "ours, 2 workers": figures.BLUE,
    "floor": "black",
}
PANELS = {
    "steady per minute": "submissions per minute",
    "steady CPU-s each": "CPU-s per submission",
}
WIDTH = 0.16


def main() -> None:
    found = json.loads((FOLDER / "bench.json").read_text())
    results, machine = found["results"], found["machine"]
    figure, axes = plt.subplots(
        len(results), 2, figsize=(11, 3.4 * len(results)), layout="constrained", squeeze=False
    )
    for row, (comparison, by_name) in zip(axes, results.items(), strict=True):
        for axis, (key, label) in zip(row, PANELS.items(), strict=True):
            for k, (system, color) in enumerate(COLORS.items()):
                values = [by_system.get(system, {}).get(key, 0) for by_system in by_name.values()]
                places = [i + (k - 2) * WIDTH for i in range(len(values))]
                bars = axis.bar(places, values, WIDTH, color=color, label=system)
                axis.bar_label(
                    bars,
                    [f"{v:.0f}" if v >= 100 else f"{v:.2g}" if v else "" for v in values],
                    fontsize=7,
                )
            axis.set_yscale("log")
            axis.set_xticks(range(len(by_name)), by_name)
            axis.set_title(f"{label}: {comparison}", fontsize=10)
            axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.suptitle(
        f"Grading a class on {machine['cores']} cores, steady rate, logarithmic scales", fontsize=11
    )
    figure.savefig(FOLDER / "bench.png", dpi=120)


if __name__ == "__main__":
    main()
