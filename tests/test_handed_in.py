"""Is whatever somebody hands in read as a notebook of plain cells, or refused with a sentence, within limits?"""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.examiner import cells, handed_in
from autograder.examiner.handed_in import UnreadableNotebook, parse_notebook, read_notebook
from autograder.examiner.rebuild import rebuild

GIGABYTES = 1.2
PNG = "aGVsbG8="


def notebook(*cells: Any, **more: Any) -> bytes:
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells} | more
    ).encode()


def code(source: Any, **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": []} | more


def text(source: Any, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "a", "metadata": {}, "source": source} | more


def link_to_file(folder: Path) -> None:
    (folder / "other.ipynb").write_bytes(notebook(code("1")))
    (folder / "x.ipynb").symlink_to("other.ipynb")


def hard_link(folder: Path) -> None:
    (folder / "other.ipynb").write_bytes(notebook(code("1")))
    os.link(folder / "other.ipynb", folder / "x.ipynb")


def unix_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "x.ipynb"))


def large(folder: Path) -> None:
    with (folder / "x.ipynb").open("wb") as file:
        file.truncate(handed_in.MAX_FILE_BYTES + 1)


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link_to_file, "a link"),
    "dangling": (lambda folder: (folder / "x.ipynb").symlink_to("nowhere"), "a link"),
    "endless": (lambda folder: (folder / "x.ipynb").symlink_to("/dev/zero"), "a link"),
    "circular": (lambda folder: (folder / "x.ipynb").symlink_to("x.ipynb"), "a link"),
    "hard link": (hard_link, "linked to another"),
    "folder": (lambda folder: (folder / "x.ipynb").mkdir(), "a folder"),
    "pipe": (lambda folder: os.mkfifo(folder / "x.ipynb"), "not a regular file"),
    "socket": (unix_socket, "not a regular file"),
    "large": (large, "200 MB"),
    "nothing": (lambda folder: None, "No such file"),
}


@pytest.mark.parametrize("kind", ODD)
def test_regular_files_only(tmp_path: Path, kind: str) -> None:
    make, says = ODD[kind]
    make(tmp_path)
    with pytest.raises(UnreadableNotebook, match=says):
        read_notebook(tmp_path / "x.ipynb")


def test_a_folder_that_is_a_link_is_refused_but_not_what_is_above(tmp_path: Path) -> None:
    disk = tmp_path / "disk" / "ada" / "tiny"
    disk.mkdir(parents=True)
    (disk / "tiny.ipynb").write_bytes(notebook(code("1")))
    (tmp_path / "submitted").symlink_to(tmp_path / "disk")
    assert len(read_notebook(tmp_path / "submitted/ada/tiny/tiny.ipynb").cells) == 1
    (tmp_path / "disk" / "eve").mkdir()
    (tmp_path / "disk" / "eve" / "tiny").symlink_to("../ada/tiny")
    with pytest.raises(UnreadableNotebook, match="folder is a link"):
        read_notebook(tmp_path / "submitted/eve/tiny/tiny.ipynb")


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EIO, errno.EMFILE])
def test_what_the_machine_refuses_is_not_the_students_doing(tmp_path, monkeypatch, number) -> None:
    (tmp_path / "x.ipynb").write_bytes(notebook(code("1")))

    def refuse(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        read_notebook(tmp_path / "x.ipynb")


def test_a_device_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableNotebook, match="not a regular file"):
        read_notebook(Path("/dev/null"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (notebook(*[code("1")] * (handed_in.MAX_CELLS + 1)), "1001 cells"),
        (notebook(*[code("x" * 99_000)] * 11), "too much code"),
        (notebook(code("1", outputs=[[0] * handed_in.MAX_VALUES])), "too many values"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "nested too deeply"),
        (b'{"nbformat": 4, "cells": ' + b"[" * 200 + b"]" * 200 + b"}", "nested too deeply"),
        (b'"' + b"\\" * 101, "not JSON"),
        ("[".encode("utf-16"), "UTF-8"),
    ],
    ids=["cells", "code", "values", "objects", "lists", "string", "encoding"],
)  # fmt: skip
def test_beyond_the_limits(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableNotebook, match=says):
        parse_notebook(data)


def test_numbers_do_not_matter() -> None:
    digits = b"9" * 1_000_000
    data = notebook(code("1")).replace(
        b'"outputs": []', b'"outputs": [' + digits + b", 1e999, NaN]"
    )
    assert parse_notebook(data).cells[0].source == "1"


def test_lone_surrogates_are_replaced_everywhere() -> None:
    found = parse_notebook(
        notebook(
            code("x = '\ud800'", id="\udfff", metadata={"nbgrader": {"grade_id": "\ud800"}}),
            text("\ud83d and \U0001f600", attachments={"\ud800.png": {"image/png": PNG}}),
        )
    )
    assert json.dumps(found, ensure_ascii=False).encode()
    assert found.cells[0].source == "x = '\ufffd'"
    assert found.cells[1].source == "\ufffd and \U0001f600"
    assert cells.grade_id(found.cells[0]) == "\ufffd"
    assert list(found.cells[1].attachments) == ["\ufffd.png"]


@pytest.mark.parametrize(
    "attachments",
    [7, [7], "x", {"a.png": 7}, {"a.png": {"image/png": 7}}, {"a.png": {"image/png": '">'}},
     {"a.png": {"text/html": PNG}}, {"a" * 300: {"image/png": PNG}}, {"a.png": {"image/svg+xml": PNG}}],
)  # fmt: skip
def test_attachments_are_pictures(attachments: Any) -> None:
    (cell,) = parse_notebook(notebook(text("![](attachment:a.png)", attachments=attachments))).cells
    assert "attachments" not in cell
    assert cell.source == "![](missing:a.png)"  # nbconvert would not make the page


def test_pictures_are_kept_up_to_a_size() -> None:
    inline = f"![](data:image/png;base64,{PNG * 5000})"
    whole = text(f"{inline} ![](attachment:a.png)", attachments={"a.png": {"image/png": PNG}})
    (cell,) = parse_notebook(notebook(whole)).cells
    assert cell.source == whole["source"]
    assert cell.attachments == {"a.png": {"image/png": PNG}}
    size = handed_in.MAX_PICTURES // len(PNG) + 1
    (cell,) = parse_notebook(
        notebook(text("a", attachments={"a": {"image/png": PNG * size}}))
    ).cells
    assert "attachments" not in cell


def test_long_cells_are_cut_with_a_remark() -> None:
    read = parse_notebook(
        notebook(
            code("x=1\n" * 800_000), text("<div>" * 10_000), code("fine"), *[text("a" * 9_000)] * 30
        )
    )
    source = read.cells[0].source
    assert source.startswith("raise ValueError('this cell has 3200000 characters")
    assert len(read.cells[1].source) == handed_in.MAX_TEXT
    assert read.cells[2].source == "fine"
    assert (
        sum(len(c.source) for c in read.cells if c.cell_type == "markdown") == handed_in.MAX_TEXTS
    )
    assert read.metadata[handed_in.REMARKS][:2] == [
        "cell 1 was cut: too long, or a picture is missing",
        "cell 2 was cut: too long, or a picture is missing",
    ]


def test_nothing_else_is_taken() -> None:
    forged = {handed_in.UNREADABLE: "x", "kernelspec": {"name": "evil"}}
    read = parse_notebook(
        notebook(
            code("1", metadata={"tags": ["x"], "nbgrader": {"grade_id": "g", "points": 9}}),
            metadata=forged,
        )
    )
    assert read.metadata == {}
    assert read.cells[0].metadata == {"nbgrader": {"grade_id": "g"}}


def test_older_formats() -> None:
    old = {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [
        {"cell_type": "heading", "level": 2, "source": ["Title"]},
        {"cell_type": "code", "input": ["a = 1\n", "b = 2"], "outputs": [], "language": "python"}]}]}  # fmt: skip
    read = parse_notebook(json.dumps(old).encode())
    assert [(c.cell_type, c.source) for c in read.cells] == [
        ("markdown", "# Title"),
        ("code", "a = 1\nb = 2"),
    ]


def test_functions_are_found_without_a_parser() -> None:
    assert cells.defined_functions("def f(): pass\n  def g(): pass\nclass A: pass\ndef  h (") == {
        "f",
        "h",
    }
    assert cells.defined_functions("(" * 100_000 + "\ndef f(x):") == {"f"}


def test_a_thousand_cells_are_rebuilt(source) -> None:
    """In seconds: each is compared with each of the course's by text that was prepared once."""
    added = parse_notebook(
        notebook(*[code(f"def f{i}(): pass" * 3, id=f"n{i}") for i in range(1000)])
    )
    assert rebuild(source, added).recognised == 0


HOSTILE = {
    "text of four bytes each": "b'[\"' + '\U0001f600'.encode() * 50_000_000 + b'\"]'",
    "one long string": "b'[\"' + b'x' * 199_000_000 + b'\"]'",
    "escapes": "b'[\"' + b'\\\\n' * 90_000_000 + b'\"]'",
    "half a string of escapes": "b'[\"' + b'\\\\n' * 90_000_000",
    "objects": "b'[' + b'{\"a\":0},' * 1_200_000 + b'0]'",
    "lists": "b'[' + b'[],' * 2_400_000 + b'0]'",
    "quotes": "b'[' + b'\"' * 190_000_000",
    "brackets": "b'[' * 199_000_000",
    "digits": "b'[' + b'1' * 190_000_000 + b']'",
    "keys": "b'{' + b','.join(b'\"%d\":0' % i for i in range(1_600_000)) + b'}'",
}


@pytest.mark.redteam
@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_is_bounded(kind: str) -> None:
    """Whatever 200 MB hold, they are read in a process that may have little more than a gigabyte besides them."""
    script = (
        "from autograder.examiner.handed_in import *\n"
        "import resource\n"
        f"data = {HOSTILE[kind]}\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    parse_notebook(data)\nexcept UnreadableNotebook as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    reason, kilobytes = done.stdout.splitlines()
    assert reason
    assert int(kilobytes) < GIGABYTES * 1e6
