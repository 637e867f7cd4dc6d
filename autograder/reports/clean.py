"""What may a page show of what a stranger wrote? Text, formulas, tables and pictures; nothing that runs.

Both pages that show submissions, feedback and nbgrader's Formgrader, are made by nbconvert's
``HTMLExporter``. :data:`SETTINGS` are settings of that class, under which any template is safe:
:class:`CleanNotebook` goes through the notebook first, the filters are the last to touch each piece of HTML.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from typing import Any
from urllib.parse import unquote

import jinja2
import nh3
from jinja2.runtime import Context
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbconvert.filters import ansi2html
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound
from traitlets import Bool

from autograder.engine.messages import _
from autograder.examiner.outputs import STATE

HERE = "autograder.reports.clean"
SETTINGS: dict[str, Any] = {
    "sanitize_html": True,
    "filters": {
        "markdown2html": f"{HERE}.markdown",
        "strip_files_prefix": f"{HERE}.cleaned",
        "clean_html": f"{HERE}.cleaned",
        "highlight_code": f"{HERE}.highlighted",
        "ansi2html": f"{HERE}.terminal_text",
    },
    "default_preprocessors": [
        f"{HERE}.CleanNotebook",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
    ],
}
"""For ``c.HTMLExporter``: names only, since Formgrader shows its configuration as JSON."""

TEXT = 20_000  # characters of one text or piece of code that are rendered in their form
BEGINNING = 50_000  # characters that are shown of what is longer, as plain text
MARKUP = 500_000  # characters of one piece of HTML
PICTURE = 5_000_000  # characters of a picture in base64
PAGE = 600_000  # characters of a page; those that make many elements count several times
PAGE_PICTURES = 50_000_000  # characters of all pictures of a page
DEPTH = 100  # elements within each other

PICTURES = ("image/png", "image/jpeg", "image/gif")
HTML, SVG = "text/html", "image/svg+xml"
COST = {"code": 4, "markdown": 3, HTML: 2, "text/markdown": 3, "text/latex": 1, "text/plain": 2}
"""How often each character of a part counts, since it can become so much longer."""
FORMS = (HTML, "text/markdown", SVG, "text/latex", *PICTURES, "text/plain")
TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt",
    "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s",
    "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tfoot", "tr",
    "u", "ul",
}  # fmt: skip
VOID = {
    "br",
    "hr",
    "img",
    "wbr",
    "input",
    "col",
    "area",
    "embed",
    "link",
    "meta",
    "source",
    "track",
}
CLASSES = {"highlight", "dataframe", *filter(None, STANDARD_TYPES.values())}
STYLES = {
    "text-align", "color", "vertical-align", "padding", "padding-left", "border", "border-left",
    "border-collapse", "font-weight",
}  # fmt: skip
DATA_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=]+")
LINK = re.compile(r"https?://[^/]|mailto:", re.IGNORECASE)
GRADE_ID = re.compile(r"[A-Za-z0-9_\-]+")
NAMES = ("student", "first_name", "last_name", "notebook_path", "notebook_id", "assignment_id")


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Return what is kept of an attribute's value, None for nothing."""
    if name == "href":
        return value if LINK.match(value) else None
    if name == "src":
        return value if DATA_PICTURE.fullmatch(value) else None
    if name in ("width", "height", "colspan", "rowspan", "start"):
        return value if re.fullmatch(r"\d{1,4}%?", value) else None
    return value


_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes={
        "*": {"title", "align", "style"},
        "a": {"href"},
        "img": {"src", "alt", "width", "height"},
        "details": {"open"},
        "ol": {"start"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan"},
    },
    allowed_classes=dict.fromkeys(("div", "pre", "code", "span", "table"), CLASSES),
    attribute_filter=_attribute,
    filter_style_properties=STYLES,
    url_schemes={"http", "https", "mailto", "data"},
)


def cleaned(markup: Any) -> str:
    """Return HTML without anything that runs, is fetched, covers the page, or passes for a part of it.

    Links go to other sites only: a relative one could lead to a file that was handed in, on the server
    of the person who reads. Pictures are those that the page holds itself. Ids are left out, because the
    Formgrader's scripts look for theirs.

    Parameters
    ----------
    markup:
        HTML of any origin. What is too long or too deep comes back as :func:`plain` text.
    """
    text = _text(markup)
    small, _pictures = _without_pictures(text)
    if len(small) > MARKUP or _depth(small) > DEPTH:
        return plain(text)
    return _cleaner.clean(text)


def plain(text: str) -> str:
    """Return the beginning of a text as it was written, with a sentence that says so."""
    says = _("This is too long or too deeply nested to be shown in its form. It begins so:")
    return f"<p>{html.escape(says)}</p><pre>{html.escape(text[:BEGINNING])}</pre>"


def _depth(markup: str) -> int:
    """Return how deep elements are nested, if all are closed that must be."""
    depth = deepest = 0
    for closing, name in re.findall(r"<(/?)([A-Za-z][A-Za-z0-9]*)", markup):
        if name.lower() in VOID:
            continue
        depth = max(0, depth - 1) if closing else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _without_pictures(text: str) -> tuple[str, list[str]]:
    """Return a text with short names in the place of the pictures that it holds, and the pictures."""
    pictures: list[str] = []

    def keep(match: re.Match[str]) -> str:
        pictures.append(match.group())
        return f"https://picture.invalid/{len(pictures) - 1}"

    return DATA_PICTURE.sub(keep, text), pictures


def _with_pictures(markup: str, pictures: list[str]) -> str:
    def put(match: re.Match[str]) -> str:
        i = int(match.group(1))
        return pictures[i] if i < len(pictures) else ""

    return re.sub(r"https://picture\.invalid/(\d{1,6})", put, markup)


@jinja2.pass_context
def markdown(context: Context, source: Any) -> str:
    """Return clean HTML of Markdown with formulas; pictures come from the cell's attachments.

    A filter of nbconvert's. ``markdown-it`` takes time in proportion to the text; nbconvert's own
    parser has squared time on some.
    """
    text = _text(source)
    small, pictures = _without_pictures(text)
    if len(small) > TEXT:
        return plain(text)
    cell = context.get("cell") or {}
    attached: dict[str, dict[str, str]] = cell.get("attachments") or {}
    try:
        return cleaned(_with_pictures(_parser().render(small, {"attachments": attached}), pictures))
    except RecursionError:
        return plain(text)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "highlight": _code_block})
    parser.enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, double_inline=True, allow_labels=False).use(amsmath_plugin)
    for name, around in {
        "math_inline": "$",
        "math_inline_double": "$$",
        "math_block": "$$",
        "amsmath": "",
    }.items():
        parser.add_render_rule(name, _formula(around))
    parser.add_render_rule("image", _image)
    return parser


def _formula(around: str) -> Any:
    def render(self: RendererHTML, tokens: list[Token], i: int, options: Any, env: Any) -> str:
        body = f"{around}{html.escape(tokens[i].content, quote=False)}{around}"
        return f"<p>{body}</p>\n" if tokens[i].block else body

    return render


def _image(self: RendererHTML, tokens: list[Token], i: int, options: Any, env: Any) -> str:
    source = str(tokens[i].attrs.get("src", ""))
    if source.startswith("attachment:"):
        name = unquote(source.removeprefix("attachment:"))
        found = env["attachments"].get(name, {})
        kind = next((kind for kind in PICTURES if kind in found), None)
        tokens[i].attrs["src"] = f"data:{kind};base64,{found[kind]}" if kind else ""
    return self.image(tokens, i, options, env)


def _code_block(code: str, language: str, attributes: str) -> str:
    try:
        return highlight(code, get_lexer_by_name(language), HtmlFormatter()) if language else ""
    except ClassNotFound:
        return ""


@jinja2.pass_context
def highlighted(context: Context, source: Any, metadata: Any = None) -> str:
    """Return code as coloured HTML, in the notebook's language, whatever the cell's metadata say.

    A filter of nbconvert's.
    """
    code = _text(source)
    if len(code) > TEXT:
        return plain(code)
    about = context["nb"].metadata.language_info
    coloured = Highlight2HTML(pygments_lexer=about.get("pygments_lexer", about.name))  # type: ignore[no-untyped-call]
    return cleaned(coloured(code))


def terminal_text(text: Any) -> str:
    """Return printed text with its colours as HTML; nbconvert's filter, with a limit of length."""
    return str(ansi2html(_shortened(_text(text))))  # type: ignore[no-untyped-call]


def _text(value: Any) -> str:
    """Return a text that can be written as UTF-8."""
    text = "".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class CleanNotebook(Preprocessor):
    """Keep of a notebook what pages show, each part in the form that templates expect.

    Templates put some of it into HTML as it is: execution counts, ids, the width of a picture.
    """

    enabled = Bool(True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the notebook, changed in place, and the resources with names escaped."""
        about = nb.metadata.get("language_info")
        given = about if isinstance(about, dict) else {}
        language = {k: given[k] for k in ("name", "pygments_lexer") if _is_word(given.get(k))}
        nb.metadata = NotebookNode(language_info=NotebookNode({"name": "python"} | language))
        page = Page()
        graded = {i: page.cell(cell) for i, cell in enumerate(nb.cells) if _marks(cell)}
        others = {i: page.cell(cell) for i, cell in enumerate(nb.cells) if i not in graded}
        nb.cells = [cell for _i, cell in sorted((graded | others).items()) if cell is not None]
        if page.left_out:
            says = _("{n} parts of this notebook are left out: the page is full.")
            nb.cells.insert(0, new_markdown_cell(says.format(n=page.left_out)))
        for i, cell in enumerate(nb.cells):
            cell.id = f"cell-{i}"
        for name in NAMES:
            if isinstance(resources.get(name), str):
                resources[name] = html.escape(_text(resources[name])).replace("\\", "&#92;")
        return nb, resources


class Page:
    """Takes the parts of a notebook one by one, until the page is full."""

    def __init__(self) -> None:
        self.text, self.pictures, self.left_out = PAGE, PAGE_PICTURES, 0

    def takes(self, text: str, cost: int = 1) -> bool:
        """Count a text, of which each character costs so much, and tell whether it still fits."""
        small, pictures = _without_pictures(text)
        return self._has_room(cost * (200 + len(small)), sum(map(len, pictures)))

    def _has_room(self, text: int, pictures: int) -> bool:
        if text > self.text or pictures > self.pictures:
            self.left_out += 1
            return False
        self.text, self.pictures = self.text - text, self.pictures - pictures
        return True

    def cell(self, cell: NotebookNode) -> NotebookNode | None:
        """Return a new cell with what is shown of one; None if there is no room. Graded ones stay."""
        kind = cell.get("cell_type")
        source, marks = _text(cell.get("source", "")), _marks(cell)
        if kind != "markdown":
            source = _shortened(source)
        if not self.takes(source, COST.get(kind, 2)):
            if not marks:
                return None
            source = _shortened(source, 200)
        new = NotebookNode(
            cell_type=kind if kind in ("code", "markdown") else "raw",
            source=source,
            metadata=NotebookNode({"nbgrader": marks} if marks else {}),
        )
        if kind == "code":
            count = cell.get("execution_count")
            new.execution_count = count if _is_number(count) else None
            shown = map(self.output, cell.get("outputs", []))
            new.outputs = [output for output in shown if output is not None]
        if kind == "markdown" and isinstance(cell.get("attachments"), dict):
            new.attachments = {
                _text(name): self.pictures_in(found)
                for name, found in cell["attachments"].items()
                if isinstance(found, dict)
            }
        return new

    def pictures_in(self, data: dict[str, Any]) -> NotebookNode:
        """Return the pictures of an attachment for which there is room."""
        return NotebookNode(
            {k: v for k, v in data.items() if _is_picture(k, v) and self._has_room(200, len(v))}
        )

    def best_form(self, data: dict[str, Any]) -> NotebookNode:
        """Return the one form of an output that is shown: the first that a page can show and that fits."""
        for kind in FORMS:
            value = data.get(kind)
            if kind in PICTURES:
                if _is_picture(kind, value) and self._has_room(200, len(str(value))):
                    return NotebookNode({kind: value})
            elif value and isinstance(value, str | list):
                text = _text(value) if kind in (HTML, SVG) else _shortened(_text(value))
                if self._has_room(200, len(text)) if kind == SVG else self.takes(text, COST[kind]):
                    return NotebookNode({kind: text})
        kinds = ", ".join(sorted(k for k in data if re.fullmatch(r"[\w.+/\-]{1,60}", k)))
        return NotebookNode({"text/plain": _("(not shown: {kinds})").format(kinds=kinds)})

    def output(self, output: NotebookNode) -> NotebookNode | None:
        """Return a new output with what is shown of one; None if there is no room or nothing to show."""
        kind = output.get("output_type")
        if kind == "stream":
            text = _shortened(_text(output.get("text", "")))
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            return (
                NotebookNode(output_type=kind, name=name, text=text)
                if self.takes(text, COST["text/plain"])
                else None
            )
        if kind == "error":
            text = _shortened("\n".join(map(_text, output.get("traceback") or [])))
            new = NotebookNode(output_type=kind, ename="", evalue="", traceback=text.split("\n"))
            return new if self.takes(text, COST["text/plain"]) else None
        if kind not in ("display_data", "execute_result"):
            return None
        data, about = output.get("data") or {}, output.get("metadata") or {}
        new = NotebookNode(output_type=kind, data=self.best_form(data), metadata=NotebookNode())
        if kind == "execute_result":
            new.execution_count = None
        for mime in PICTURES:
            if isinstance(about.get(mime), dict):
                new.metadata[mime] = _picture_metadata(about[mime])
        if isinstance(about.get(STATE), dict):
            new.metadata[STATE] = {k: _shortened(_text(v)) for k, v in about[STATE].items()}
        return new


def _marks(cell: NotebookNode) -> NotebookNode | None:
    """Return nbgrader's metadata of a cell, if its id is one that nbgrader allows."""
    about = cell.get("metadata")
    marks = about.get("nbgrader") if isinstance(about, dict) else None
    if isinstance(marks, dict) and GRADE_ID.fullmatch(str(marks.get("grade_id", ""))):
        return NotebookNode(marks)
    return None


def _picture_metadata(about: dict[str, Any]) -> dict[str, Any]:
    """Return size and description: pages put a size into HTML as it is."""
    size = {k: about[k] for k in ("width", "height") if _is_number(about.get(k))}
    return size | ({"alt": _text(about["alt"])[:1000]} if about.get("alt") else {})


def _shortened(text: str, limit: int = BEGINNING) -> str:
    if len(text) <= limit:
        return text
    return text[:limit] + _(" … ({n} characters more)").format(n=len(text) - limit)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_+#.\-]{1,64}", value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_picture(kind: str, value: Any) -> bool:
    if kind not in PICTURES or not isinstance(value, str) or len(value) > PICTURE:
        return False
    try:
        return bool(base64.b64decode("".join(value.split()), validate=True))
    except (binascii.Error, ValueError):
        return False
