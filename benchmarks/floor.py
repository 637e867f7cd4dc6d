"""How long do the student's own functions compute? Below this no grading can get: the floor.

    python -m benchmarks.floor NAME [FOLDER]      # all submissions in a folder; FOLDER/floor.json gets the seconds

The functions are called directly, in one warm process, by the checks that the notebook's test cells call.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import assignments, check
from autograder.engine.declare import Check
from autograder.engine.run import run_check
from autograder.examiner import cells, handed_in
from autograder.secret import hidden_seed


class Stopwatch:
    """Adds up the CPU time that is spent in student code; nested calls count once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function while the watch runs."""
        self._depth += 1
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.seconds += time.process_time() - start


class Timed:
    """A student function with a stopwatch around it, and around the training beside it."""

    def __init__(self, function: Callable[..., Any], watch: Stopwatch) -> None:
        self.function, self.watch, self.__name__ = function, watch, function.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.watch.run(self.function, *args, **kwargs)

    def colocated(
        self, work: Callable[..., Any], functions: tuple[Timed, ...], arguments: dict[str, Any]
    ) -> Any:
        return self.watch.run(work, *(f.function for f in functions), **arguments)


def floor(checks: Sequence[Check], solution: dict[str, Any]) -> tuple[float, bool]:
    """Return the CPU seconds inside the student's functions in public and hidden checks, and whether all passed."""
    stopwatch, passed = Stopwatch(), True
    for each in checks:
        if not all(callable(solution.get(f)) for f in each.takes):
            passed = False
            continue
        functions = tuple(Timed(solution[f], stopwatch) for f in each.takes)
        for seed in (None, hidden_seed(each.assignment, "somebody")):
            passed = run_check(each, functions, seed).passed and passed
    return stopwatch.seconds, passed


def functions_of(path: Path, name: str) -> tuple[list[Check], dict[str, Any]]:
    """Execute a submission here; return the checks that it calls and what it defines."""
    checks: list[Check] = []
    solution: dict[str, Any] = {}
    for cell in handed_in.read_notebook(path).cells:
        if cell.cell_type != "code" or cells.is_experiment(cell):
            continue
        if cells.is_test(cell):
            checks += [
                assignments.checks(name)[c] for c in dict.fromkeys(cells.check_calls(cell.source))
            ]
            continue
        try:
            exec(cell.source, solution)
        except Exception:
            continue  # what it should have defined is not there
    return checks, solution


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name")
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    options = parser.parse_args()
    paths = sorted(options.folder.glob(f"submitted/*/{options.name}/*.ipynb"))
    floor(*functions_of(paths[0], options.name))  # warms up
    seconds, full = {}, []
    for path in paths:
        student = path.parents[1].name
        try:
            with check.collecting():
                seconds[student], passed = floor(*functions_of(path, options.name))
        except handed_in.UnreadableNotebook:
            seconds[student], passed = 0.0, False
        full += [student] if passed else []
    (options.folder / "floor.json").write_text(json.dumps({"seconds": seconds, "full": full}))


if __name__ == "__main__":
    main()
