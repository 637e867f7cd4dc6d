"""What did a kernel say? Its messages, of which nothing is believed, become plain outputs within limits.

Whatever the bytes, the outputs have fields of the right types, text that is valid Unicode, and no metadata. Signatures
are not looked at: the key is the kernel's, so they would show nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.engine.messages import _
from autograder.examiner.zmtp import Message

DELIMITER = b"<IDS|MSG>"
MAX_OUTPUTS = 1000  # of a cell
MAX_TYPES = 20  # representations of one output
NAME, LINE, LINES = (
    200,
    2000,
    60,
)  # characters of an exception's name and of a line of it, and number of its lines
STREAMS = ("stdout", "stderr")


@dataclass(frozen=True)
class Said:
    """One message: what kind it is, which request it belongs to; ``content`` is None if it was too large."""

    kind: str
    parent: str
    content: dict[str, Any] | None

    @classmethod
    def of(cls, message: Message) -> Said | None:
        """Read a message; None if it is none of Jupyter's."""
        try:
            start = message.index(DELIMITER) + 2
            header, parent, _metadata, content = message[start : start + 4]
        except ValueError:
            return None
        head, about = _object(header), _object(parent)
        if head is None or about is None:
            return None
        body = None if content is None else _object(content) or {}
        return cls(_text(head.get("msg_type")), _text(about.get("msg_id")), body)

    @property
    def is_idle(self) -> bool:
        """Whether it says that the kernel has nothing more to say about the request."""
        return self.kind == "status" and (self.content or {}).get("execution_state") == "idle"

    @property
    def announced(self) -> set[str]:
        """What a reply announces in its payload: ``ask_exit`` is the kernel's end."""
        payload = (self.content or {}).get("payload")
        return {
            _text(item.get("source"))
            for item in (payload if isinstance(payload, list) else ())
            if isinstance(item, dict) and item.get("keepkernel") is not True
        }


class Outputs:
    """The outputs of one cell, as they arrive; ``cut`` when something was thrown away.

    Parameters
    ----------
    room:
        Characters that are kept.
    """

    def __init__(self, room: int) -> None:
        self.cut = False
        self._room = self._limit = room
        self._found: list[tuple[NotebookNode, list[str]]] = []

    def add(self, said: Said) -> None:
        """Keep what a message shows, if it shows anything."""
        content = said.content or {}
        match said.kind:
            case "stream":
                name = content.get("name")
                text = plain(content.get("text"))
                if said.content is None or len(text) > self._room:
                    self.cut = True
                elif text:
                    self._stream(name if name in STREAMS else "stdout", text)
            case "display_data" | "execute_result":
                self._display(said.kind, content)
                self.cut |= said.content is None
            case "error":
                self._error(content)
                self.cut |= said.content is None

    def all(self) -> list[NotebookNode]:
        """Return the outputs in the form of a notebook's."""
        outputs = []
        for output, texts in self._found:
            if texts:
                output.text = "".join(texts)
            outputs.append(output)
        if self.cut:
            note = _("[more output than {n} bytes: the rest was thrown away]\n")
            text = note.format(n=self._limit)
            outputs.append(new_output("stream", name="stdout", text=text))
        return outputs

    def _has_place(self) -> bool:
        self.cut |= len(self._found) >= MAX_OUTPUTS
        return len(self._found) < MAX_OUTPUTS

    def _stream(self, name: str, text: str) -> None:
        last = self._found[-1][0] if self._found else None
        if last is not None and last.output_type == "stream" and last.name == name:
            self._found[-1][1].append(text)
        elif self._has_place():
            self._found.append((new_output("stream", name=name, text=""), [text]))
        self._room -= len(text)

    def _display(self, kind: str, content: Mapping[str, Any]) -> None:
        data = content.get("data")
        texts = {
            plain(key)[:NAME]: plain(value)
            for key, value in (list(data.items())[:MAX_TYPES] if isinstance(data, dict) else ())
            if isinstance(value, str)
        }
        size = sum(map(len, texts.values()))
        if size > self._room:
            self.cut = True
        elif texts and self._has_place():
            self._found.append((new_output(kind, data=texts), []))
            self._room -= size

    def _error(self, content: Mapping[str, Any]) -> None:
        lines = content.get("traceback")
        output = new_output(
            "error",
            ename=plain(content.get("ename"))[:NAME] or "Error",
            evalue=plain(content.get("evalue"))[:LINE],
            traceback=[
                plain(line)[:LINE] for line in (lines[-LINES:] if isinstance(lines, list) else ())
            ],
        )
        if self._has_place():
            self._found.append((output, []))


def plain(value: Any) -> str:
    """Return a text in which every character can be written as UTF-8; an empty one for what is no text."""
    text: str = _text(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def last_error(outputs: Sequence[NotebookNode]) -> str:
    """Return the exception that a cell ended with, as one line, or an empty string."""
    for output in outputs:
        if output.output_type == "error":
            text = f"{output.get('ename', '')}: {output.get('evalue', '')}".strip(": ")
            return (text.splitlines() or [""])[0][:200]
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(data: bytes | None) -> dict[str, Any] | None:
    """Return the JSON object that a frame holds, or None."""
    if data is None:
        return None
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None
