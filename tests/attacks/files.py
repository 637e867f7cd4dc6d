"""What if the file, or what stands in its place, is the attack?"""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.attacks.kinds import NOTHING, Attack, Change, Hand


def text(make: Callable[[str], str | bytes]) -> Hand:
    """Hand in something made of the notebook's text."""

    def hand(path: Path, notebook: NotebookNode) -> None:
        made = make(nbformat.writes(notebook))
        path.write_bytes(made if isinstance(made, bytes) else made.encode("utf-8", "surrogatepass"))

    return hand


def plain(make: Callable[[dict[str, Any]], None]) -> Hand:
    """Hand in a notebook whose JSON was changed."""

    def change(written: str) -> str:
        document = json.loads(written)
        make(document)
        return json.dumps(document)

    return text(change)


def place(make: Callable[[Path], None]) -> Hand:
    """Hand in something else than a file."""
    return lambda path, _notebook: make(path)


def beside(make: Callable[[Path], None]) -> Hand:
    """Hand in the notebook, and something beside it."""

    def hand(path: Path, notebook: NotebookNode) -> None:
        nbformat.write(notebook, path)
        make(path.parent)

    return hand


def course_of(path: Path) -> Path:
    """Return the course in which a notebook was handed in: ``course/submitted/student/name/name.ipynb``."""
    return path.parents[3]


def to_source(path: Path) -> None:
    path.symlink_to(course_of(path) / "source" / path.stem / path.name)


def to_another(path: Path) -> None:
    path.symlink_to(course_of(path) / "submitted" / "solved" / path.stem / path.name)


def folder_to_source(path: Path) -> None:
    path.parent.rmdir()
    path.parent.symlink_to(course_of(path) / "source" / path.stem)


def deep(path: Path) -> None:
    """Make 1,500 nested folders; their path is longer than any system call takes."""
    here = os.getcwd()
    os.chdir(path)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)


def unix_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path.name)
    finally:
        os.chdir(here)


def renamed(make: Callable[[Path], None]) -> Hand:
    """Hand in the notebook under its name, and a hostile thing under another notebook's name."""
    return beside(lambda folder: make(folder / "another.ipynb"))


def only_renamed(make: Callable[[Path], None]) -> Hand:
    """Hand in a hostile thing under another notebook's name, and nothing else."""
    return lambda path, _notebook: make(path.parent / "another.ipynb")


def cell(make: Callable[[dict[str, Any]], None]) -> Attack:
    """Change the JSON of all cells of a notebook whose functions are right."""

    def change(document: dict[str, Any]) -> None:
        for each in document["cells"]:
            make(each)

    return Attack(hand=plain(change), honest=None)


def added(*cells: NotebookNode, times: int = 1) -> Change:
    """Add cells, each so many times."""

    def change(notebook: NotebookNode) -> None:
        notebook.cells += [
            NotebookNode(c, id=f"a{n}-{i}") for n in range(times) for i, c in enumerate(cells)
        ]

    return change


def outputs_of(size: int) -> Change:
    def change(notebook: NotebookNode) -> None:
        notebook.cells[1].outputs = [new_output("stream", text="x" * size)]

    return change


def refused(hand: Hand, **more: Any) -> Attack:
    """What is no notebook: nothing is earned, and it is said why."""
    return Attack(hand=hand, honest=False, **more)


def attachments(value: Any) -> Hand:
    def change(document: dict[str, Any]) -> None:
        answer = {
            "cell_type": "markdown",
            "id": "extra",
            "metadata": {},
            "source": "![a](attachment:a.png)",
        }
        document["cells"].append({**answer, "attachments": value})

    return plain(change)


def metadata(value: Any) -> Attack:
    return cell(lambda c: c.update(metadata=value))


def nbgrader(**values: Any) -> Attack:
    def change(c: dict[str, Any]) -> None:
        c["metadata"].setdefault("nbgrader", {}).update(values)

    return cell(change)


ODD_NAMES = (
    "\x1b[2J.ipynb",
    "a\n::set-output name=x::y.ipynb",
    "::error::x.ipynb",
    "##[error]x.ipynb",
    "-rf.ipynb",
    "$(id).ipynb",
)


def odd_names(folder: Path) -> None:
    for name in ODD_NAMES:
        (folder / name).write_text("{}")
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.ipynb"))).write_text("{}")


def odd_name_only(path: Path, notebook: NotebookNode) -> None:
    nbformat.write(notebook, path.parent / ODD_NAMES[1])


ATTACKS = {
    # -- in the notebook's place
    "link to the source": refused(place(to_source)),
    "folder that links to the source": refused(place(folder_to_source)),
    "link to another student's notebook": refused(place(to_another)),
    "link to nothing": refused(place(lambda p: p.symlink_to("nowhere"))),
    "link to itself": refused(place(lambda p: p.symlink_to(p.name))),
    "link to an endless file": refused(place(lambda p: p.symlink_to("/dev/zero"))),
    "link to a terminal": refused(place(lambda p: p.symlink_to("/dev/stdin"))),
    "FIFO": refused(place(os.mkfifo)),
    "folder": refused(place(Path.mkdir)),
    "socket in its place": refused(place(unix_socket)),
    "device": refused(place(lambda p: os.mknod(p, 0o666 | stat.S_IFCHR, os.makedev(1, 5))), only_root=True),
    "FIFO under another name": refused(only_renamed(os.mkfifo)),
    "folder under another name": refused(only_renamed(Path.mkdir)),
    "link to nothing under another name": refused(only_renamed(lambda p: p.symlink_to("nowhere"))),
    "link to the source under another name": refused(
        only_renamed(lambda p: p.symlink_to(course_of(p) / "source" / p.parent.name / f"{p.parent.name}.ipynb"))),
    # -- beside it
    "FIFO beside it": Attack(hand=renamed(os.mkfifo)),
    "folder beside it": Attack(hand=renamed(Path.mkdir)),
    "link to nothing beside it": Attack(hand=renamed(lambda p: p.symlink_to("nowhere"))),
    "FIFO of data beside it": Attack(hand=beside(lambda f: os.mkfifo(f / "data.csv"))),
    "link to the course beside it": Attack(hand=beside(lambda f: (f / "course").symlink_to(course_of(f / "x")))),
    "link in a circle beside it": Attack(hand=beside(lambda f: (f / "again").symlink_to("."))),
    "1,500 nested folders": Attack(hand=beside(deep)),
    "modules beside it": Attack(hand=beside(lambda f: [(f / n).write_text("raise SystemExit") for n in ("numpy.py", "sitecustomize.py", "nbgrader_config.py", "jupyter_config.py")])),
    "a page beside it": Attack(hand=beside(lambda f: (f / "page.html").write_text("<script>alert('mine')</script>"))),
    "odd names beside it": Attack(hand=beside(odd_names)),
    "odd name": Attack(hand=odd_name_only, honest=None),
    # -- JSON
    "150 MB of output": Attack(change=outputs_of(150_000_000), honest=None),
    "250 MB of output": refused(text(lambda t: t.replace('"cells"', '"x": "' + "x" * 250_000_000 + '", "cells"'))),
    "JSON nested deeply": refused(text(lambda t: "[" * 500_000)),
    "notebook nested deeply": Attack(hand=text(lambda t: t.replace('"cells"', '"x": ' + "[" * 20_000 + "]" * 20_000 + ', "cells"')), honest=None),
    "metadata nested deeply": Attack(hand=text(lambda t: t.replace('"metadata": {', '"metadata": {"x": ' + "[" * 900 + "]" * 900 + ", ", 1)), honest=None),
    "a million keys in metadata": Attack(hand=plain(lambda d: d["metadata"].update({str(i): i for i in range(10**6)})), honest=None),
    "a number of a million digits": Attack(hand=text(lambda t: t.replace('"cells"', '"x": ' + "9" * 10**6 + ', "cells"')), honest=None),
    "numbers that are none": Attack(hand=text(lambda t: t.replace('"cells"', '"x": [NaN, -Infinity, 1e999], "cells"')), honest=None),
    "the same key again": Attack(hand=text(lambda t: t.replace('"cells"', '"cells": [], "cells"')), honest=None),
    "byte order mark": Attack(hand=text(lambda t: "\ufeff" + t), honest=None),
    "UTF-16": refused(text(lambda t: t.encode("utf-16"))),
    "not UTF-8": refused(text(lambda t: b"\xff" + t.encode())),
    "zeros": refused(text(lambda t: bytes(10**7))),
    "blanks": refused(text(lambda t: " " * 10**8)),
    "half a notebook": refused(text(lambda t: t[: len(t) // 2])),
    "version without end": refused(plain(lambda d: d.update(nbformat=10**30))),
    "version in words": refused(plain(lambda d: d.update(nbformat="four"))),
    "version 3 of odd form": Attack(hand=plain(lambda d: d.update(nbformat=3, worksheets=[{"cells": d.pop("cells")}, 5, None])), honest=None),
    "cells that are a dict": refused(plain(lambda d: d.update(cells={"0": d["cells"]}))),
    "metadata of the notebook": Attack(hand=plain(lambda d: d.update(metadata=[1, 2])), honest=None),
    "language without end": Attack(hand=plain(lambda d: d["metadata"].update(kernelspec=5, language_info=[1], title={"a": 1}, authors=3)), honest=None),
    # -- cells
    "metadata that is a list": metadata([1]),
    "metadata that is a number": metadata(5),
    "nbgrader that is text": metadata({"nbgrader": "x"}),
    "tags that are numbers": cell(lambda c: c["metadata"].update(tags=[1, {}, None], collapsed="x", jupyter=5, slideshow=[])),
    "ids that are lists": nbgrader(grade_id=[1, {}]),
    "points without end": nbgrader(points="nan", schema_version=[], locked={}, cell_type=5),
    "cell ids that are dicts": cell(lambda c: c.update(id={"a": [1]})),
    "cell id that is a surrogate": cell(lambda c: c.update(id="\ud800")),
    "sources of odd forms": cell(lambda c: c.update(source=[[1], {"a": 2}, None])),
    "types that are lists": cell(lambda c: c.update(cell_type=["code"])),
    "outputs of odd forms": Attack(hand=plain(lambda d: [c.update(outputs=5, execution_count={}) for c in d["cells"]])),
    "attachment that is a number": Attack(hand=attachments(5)),
    "attachments that are numbers": Attack(hand=attachments({"a.png": 5, "b": None})),
    "attachment of numbers": Attack(hand=attachments({"a.png": {"image/png": 7, "text/html": ["<script>alert(1)</script>"]}})),
    "attachment with a surrogate": Attack(hand=attachments({"\ud800": {"image/png": "\ud800"}})),
    "attachment of 50 MB": Attack(hand=attachments({"a.png": {"image/png": "A" * 50_000_000}}), honest=None),
    "cell without a type": Attack(hand=plain(lambda d: d["cells"].extend([{}, {"source": "x"}, 5, None, [], "x"]))),
    "surrogate in a text": Attack(change=added(new_markdown_cell("\ud800")), honest=None),
    "surrogate in a comment": Attack("# \ud800\n" + NOTHING, honest=None),
    "tests as text": Attack(hand=plain(lambda d: [c.update(cell_type="markdown") for c in d["cells"] if c["id"].startswith("test")])),
    "tests as raw": Attack(hand=plain(lambda d: [c.update(cell_type="raw") for c in d["cells"] if c["id"].startswith("test")])),
    "tests that were replaced": Attack(hand=plain(lambda d: [c.update(source="print(10)\n10") for c in d["cells"] if c["id"].startswith("test")])),
    "tests that are solutions": Attack(hand=plain(lambda d: [c["metadata"]["nbgrader"].update(solution=True, points=300) for c in d["cells"]]), honest=None),
    "tests tagged as experiments": Attack(hand=plain(lambda d: [c["metadata"].update(tags=["experiment", "skip-execution"]) for c in d["cells"]])),
    # -- quantities
    "3.2 MB of lines": Attack("x=1\n" * 800_000 + NOTHING, honest=None),
    "a line of 3 MB": Attack("x = '" + "x" * 3_000_000 + "'" + NOTHING, honest=None),
    "parentheses": Attack("x = " + "(" * 50_000 + ")" * 50_000 + NOTHING, honest=None),
    "operators": Attack("x = " + "-" * 500_000 + "1" + NOTHING, honest=None),
    "sums": Attack("x = " + "1+" * 200_000 + "1" + NOTHING, honest=None),
    "lines in an added cell": Attack(change=added(new_code_cell("x=1\n" * 800_000)), honest=None),
    "functions without end": Attack("".join(f"def f{i}(): pass\n" for i in range(60_000)) + NOTHING, honest=None),
    "100,000 cells": Attack(change=added(new_code_cell("x = 1"), times=100_000), honest=None),
    "100,000 texts": Attack(change=added(new_markdown_cell("text"), times=100_000), honest=None),
    "five hundred copies of a test": Attack(hand=plain(lambda d: d["cells"].extend([dict(d["cells"][2])] * 500))),
    "ten thousand copies of a test": Attack(hand=plain(lambda d: d["cells"].extend([dict(d["cells"][2])] * 10_000)), honest=None),
    "a thousand copies of a solution": Attack(hand=plain(lambda d: d["cells"].extend([dict(d["cells"][1])] * 1000)), honest=None),
}  # fmt: skip
