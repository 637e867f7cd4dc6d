"""What was handed in? Files of any kind, read within limits into a notebook of plain cells.

Of a file nothing is used but the cells' type, id, source and pictures. Everything has a limit on size and number
before it is decoded, so that reading takes seconds and less than a gigabyte whatever the file holds.
"""

from __future__ import annotations

import base64
import binascii
import errno
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from autograder.engine.messages import _
from autograder.examiner.plain import plain

MAX_FILE_BYTES = 200_000_000
MAX_DECODED_BYTES = 300_000_000  # Python needs up to four bytes for each character
MAX_VALUES = 5_000_000  # of JSON: each takes up to 100 bytes
MAX_DEPTH = 100  # of JSON
MAX_CELLS = 1_000
MAX_SOURCE = 100_000  # characters of a cell of code
MAX_CODE = 1_000_000  # characters of all cells of code
MAX_TEXT = (
    10_000  # characters of a text cell, pictures aside: turning some into HTML takes quadratic time
)
MAX_TEXTS = 200_000  # characters of all text cells, pictures aside
MAX_PICTURES = 20_000_000  # characters of all pictures
MAX_NAME = 200  # characters of an id or of a picture's name
MAX_CANDIDATES = 20  # notebooks under other names that are looked into

OF_THE_MACHINE = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
})  # fmt: skip
"""Numbers of those errors of the operating system that no submission causes."""
UNREADABLE = "autograder_unreadable"  # metadata of a notebook: why it cannot be graded
REMARKS = "autograder_remarks"  # metadata of a notebook: what was cut from it
PICTURES = ("image/png", "image/jpeg", "image/gif")

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.S)
_ATTACHED = re.compile(r"attachment:([^\s()<>\"']+)")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=]+")


class UnreadableNotebook(ValueError):
    """A file is not a notebook that can be graded; the message says why in one sentence."""


def notebook_or_reason(read: Callable[[], NotebookNode]) -> NotebookNode:
    """Read what was handed in; what is no notebook becomes an empty one whose metadata say why."""
    try:
        return read()
    except UnreadableNotebook as error:
        return new_notebook(metadata={UNREADABLE: str(error)})


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook that was handed in.

    Returns
    -------
    NotebookNode
        See :func:`parse_notebook`.

    Raises
    ------
    UnreadableNotebook
        If it is no regular file, too large, not JSON, or not a notebook.
    """
    return parse_notebook(read_file(path))


def read_file(path: Path) -> bytes:
    """Return the content of a regular file; neither it nor its folder may be a link.

    A link could lead to the solution or to another student's work. What is above the folder was made by the
    instructor and may be one. The file is opened once, without waiting for whoever writes into a pipe.

    Raises
    ------
    UnreadableNotebook
        If it is something else, missing, or larger than ``MAX_FILE_BYTES``.
    OSError
        If it may not be read, or the machine is at fault.
    """
    try:
        if path.parent.is_symlink():
            raise UnreadableNotebook(_("its folder is a link; hand in the files themselves"))
        _require_regular(path.lstat())
        flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # some systems lack some
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
        with os.fdopen(descriptor, "rb") as file:
            _require_regular(os.fstat(descriptor))
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        if error.errno in OF_THE_MACHINE or isinstance(error, PermissionError):
            raise
        raise UnreadableNotebook(
            _("the file cannot be read ({reason})").format(reason=error.strerror)
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableNotebook(_("the file is too large; clear its outputs"))
    return data


def _require_regular(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        raise UnreadableNotebook(_("it is a link, not a file; hand in the notebook itself"))
    if stat.S_ISDIR(mode):
        raise UnreadableNotebook(_("it is a folder, not a file"))
    if not stat.S_ISREG(mode):
        raise UnreadableNotebook(_("it is not a regular file"))
    if status.st_nlink > 1:
        raise UnreadableNotebook(
            _("the file is linked to another one (a hard link); hand in a copy of it")
        )
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadableNotebook(
            _("the file has {size} MB; clear its outputs").format(size=status.st_size // 1_000_000)
        )


def parse_notebook(data: bytes) -> NotebookNode:
    """Return the notebook that the bytes of a file hold.

    Returns
    -------
    NotebookNode
        With at most ``MAX_CELLS`` cells of plain fields: ``id``, ``cell_type``, ``source``, ``metadata`` with
        nbgrader's ``grade_id`` at most, and pictures as ``attachments``; code cells have no outputs. All text can
        be encoded as UTF-8. Its metadata hold remarks on what was cut.

    Raises
    ------
    UnreadableNotebook
        If they hold none, or one beyond the limits.
    """
    cells = [_tidy(cell) for cell in _cells(_json(data))]
    remarks = []
    text, pictures = MAX_TEXTS, MAX_PICTURES
    for number, cell in enumerate(cells, 1):
        before = cell.source
        if cell.cell_type == "markdown":
            text -= _cut_text(cell, min(text, MAX_TEXT))
            pictures -= _drop_pictures(cell, pictures)
        elif len(before) > MAX_SOURCE:
            cell.source = _not_executed(len(before))
        if cell.source != before:
            remarks.append(
                _("cell {number} was cut: too long, or a picture is missing").format(number=number)
            )
    if sum(len(cell.source) for cell in cells if cell.cell_type != "markdown") > MAX_CODE:
        raise UnreadableNotebook(_("its cells hold too much code"))
    return NotebookNode(  # not validated: ids may be missing
        nbformat=4,
        nbformat_minor=5,
        metadata=NotebookNode({REMARKS: remarks} if remarks else {}),
        cells=cells,
    )


def _json(data: bytes) -> Any:
    """Return the JSON value that bytes hold, numbers aside, which are not used."""
    if sum(data.count(mark) for mark in b',[{"') > MAX_VALUES:
        raise UnreadableNotebook(_("the file holds too many values; clear its outputs"))
    depth = deepest = 0
    for match in _TOKEN.finditer(data):
        first = data[match.start()]
        if first != ord('"'):
            depth += 1 if first in b"[{" else -1
            deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise UnreadableNotebook(_("the file is nested too deeply, so not a notebook"))
    wide = 4 if re.search(rb"[\xf0-\xf7]", data) else 2 if re.search(rb"[\xc4-\xef]", data) else 1
    if wide * len(data) > MAX_DECODED_BYTES:
        raise UnreadableNotebook(
            _("the file has {size} MB; clear its outputs").format(size=len(data) // 1_000_000)
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableNotebook(_("the file is not UTF-8 text")) from error
    if not text.strip():
        raise UnreadableNotebook(_("the file is empty"))
    try:
        return json.loads(text, parse_float=lambda digits: 0.0, parse_int=_small)
    except ValueError as error:
        raise UnreadableNotebook(_("the file is not JSON, so not a notebook")) from error


def _small(digits: str) -> int:
    return int(digits) if len(digits) < 10 else 0


def _cells(document: Any) -> list[dict[str, Any]]:
    """Return the cells of a notebook in format 4, 3 or 2."""
    found: Any = None
    if isinstance(document, dict):
        if document.get("nbformat") == 4:
            found = document.get("cells")
        elif document.get("nbformat") in (2, 3) and isinstance(document.get("worksheets"), list):
            sheets = [sheet for sheet in document["worksheets"] if isinstance(sheet, dict)]
            parts = [sheet.get("cells") for sheet in sheets]
            found = [cell for part in parts if isinstance(part, list) for cell in part]
    if not isinstance(found, list):
        raise UnreadableNotebook(_("the file is JSON, but not a notebook"))
    if len(found) > MAX_CELLS:
        raise UnreadableNotebook(
            _("the notebook has {n} cells, more than {most}").format(n=len(found), most=MAX_CELLS)
        )
    return [cell for cell in found if isinstance(cell, dict)]


def _tidy(cell: dict[str, Any]) -> NotebookNode:
    """Return the cell with fields of the right types, whatever the file said."""
    kind, source = _text(cell.get("cell_type")), _text(cell.get("source", cell.get("input")))
    if kind == "heading":  # of format 3
        kind, source = "markdown", f"# {source}"
    metadata: Any = cell.get("metadata")
    ours: Any = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = _text(ours.get("grade_id"))[:MAX_NAME] if isinstance(ours, dict) else ""
    tidy = NotebookNode(
        id=_text(cell.get("id"))[:MAX_NAME],
        cell_type=kind[:MAX_NAME],
        source=source,
        metadata=NotebookNode(nbgrader=NotebookNode(grade_id=name)) if name else NotebookNode(),
    )
    if kind == "code":
        tidy.outputs, tidy.execution_count = [], None
    if kind == "markdown" and (pictures := _pictures(cell.get("attachments"))):
        tidy.attachments = pictures
    return tidy


def _text(value: Any) -> str:
    """Return a string, or the lines of one, as a string that can be encoded; anything else is empty."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return str(plain(value)) if isinstance(value, str) else ""


def _pictures(attachments: Any) -> NotebookNode:
    """Return those attachments of a written answer that are pictures: name → type → base64."""
    found = NotebookNode()
    for name, versions in attachments.items() if isinstance(attachments, dict) else ():
        kept = {
            kind: data
            for kind in PICTURES
            if isinstance(versions, dict) and is_picture(data := _text(versions.get(kind)))
        }
        if kept and len(name) <= MAX_NAME:
            found[plain(name)] = NotebookNode(kept)
    return found


def is_picture(data: str) -> bool:
    """Tell whether a string is base64 and nothing else: pages put it into an attribute as it is."""
    try:
        return bool(base64.b64decode("".join(data.split()), validate=True))
    except (binascii.Error, ValueError):
        return False


def _not_executed(length: int) -> str:
    """Return what stands in the place of code that is too long: half of it would be another program."""
    says = _("this cell has {n} characters, more than {most}: it was not executed")
    return f"raise ValueError({says.format(n=length, most=MAX_SOURCE)!r})"


def _cut_text(cell: NotebookNode, room: int) -> int:
    """Cut a text cell to ``room`` characters beside its inline pictures; return how many it has."""
    kept, end, left = [], 0, room
    for picture in _PICTURE.finditer(cell.source):
        kept += [cell.source[end : picture.start()][:left], picture.group()]
        left -= len(kept[-2])
        end = picture.end()
    kept.append(cell.source[end:][:left])
    cell.source = "".join(kept)
    return room - left + len(kept[-1])


def _drop_pictures(cell: NotebookNode, room: int) -> int:
    """Drop a text cell's pictures if they take more than ``room`` characters; return what they take."""
    attached = [data for kinds in cell.get("attachments", {}).values() for data in kinds.values()]
    size = sum(map(len, attached)) + sum(map(len, _PICTURE.findall(cell.source)))
    if size > room:
        cell.pop("attachments", None)
        cell.source = _PICTURE.sub("", cell.source)
        size = 0
    there = cell.get("attachments", {})
    cell.source = _ATTACHED.sub(  # a page with a picture that is not there is not made
        lambda match: match[0] if match[1] in there else f"missing:{match[1]}", cell.source
    )
    return size


def choose(folder: Path, name: str, recognised: Callable[[NotebookNode], int]) -> Path | None:
    """Return the file of a submission's folder that is to be graded, whatever it is; None if there is none.

    The one with the right name, if something has it. Browsers make ``dropout (1).ipynb`` of a second download:
    otherwise it is the one that has most cells of the assignment, of the newest if several have.

    Parameters
    ----------
    folder:
        Where the submission is.
    name:
        The notebook's name in the course, without ``.ipynb``.
    recognised:
        Returns how many cells of a notebook belong to the assignment.
    """
    right = folder / f"{name}.ipynb"
    if os.path.lexists(right):
        return right

    def fitness(path: Path) -> tuple[int, float]:
        notebook = notebook_or_reason(lambda: read_notebook(path))
        known = -1 if UNREADABLE in notebook.metadata else recognised(notebook)
        return known, path.lstat().st_mtime

    others = sorted(folder.glob("*.ipynb"), key=lambda path: -path.lstat().st_mtime)
    return max(others[:MAX_CANDIDATES], key=fitness, default=None)
