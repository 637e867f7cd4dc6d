"""Can a submission do something to those who look at its result, on a page or in a terminal?"""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from tests.attacks.files import added
from tests.attacks.kinds import NOTHING, Attack, in_function

ESCAPES = "\\x1b[2J\\x1b]0;title\\x07\\x1b]52;c;eA==\\x07\\x9b31m\\r\\b\\u202e\\x00"
COMMANDS = "passed\\n::set-output name=points::44\\n  ::error::x\\n##[error]x\\n\\t##vso[task.complete result=Succeeded;]"


def shown(*texts: str) -> Attack:
    """Texts in cells that were added."""
    return Attack(change=lambda notebook: added(*map(new_markdown_cell, texts))(notebook))


def said(text: str) -> Attack:
    """A message that is printed, raised in a cell, and raised in a function."""
    return Attack(f"print('{text}')\n" + in_function(f"raise ValueError('{text}')"))


def attached(notebook: NotebookNode) -> None:
    answer = new_markdown_cell("![a](attachment:a.svg) ![b](attachment:b) ![c](attachment:c.png)")
    answer.attachments = {
        "a.svg": {"image/svg+xml": "<svg onload=alert(1)><script>alert(1)</script></svg>"},
        "b": {"text/html": "<script>alert(1)</script>"},
        "c.png": {'image/png" onerror="alert(1)': 'x" onerror="alert(1)'},
    }
    notebook.cells.append(answer)


ATTACKS = {
    "scripts in a text": shown(
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<ScRiPt >alert(1)</sCrIpT>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>", "<object data='data:text/html,<script>alert(1)</script>'></object>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>", "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    ),
    "links in a text": shown(
        "[x](javascript:alert(1))", "[x](files/javascript:alert(1))", "[x](files//javascript:alert(1))", "[x](files/files/javascript:alert(1))",
        "<a href='files/javascript:alert(1)'>x</a>", "<a href=' java\\nscript:alert(1)'>x</a>", "<a href='&#106;avascript:alert(1)'>x</a>",
        "<a href='/files/javascript:alert(1)'>x</a>", "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)", "[x](vbscript:alert(1))",
        "![x](files/javascript:alert(1))", "[x]: files/javascript:alert(1)\n\n[x]",
    ),
    "forms and frames in a text": shown(
        "<form action='//example.org'><input name=x autofocus onfocus=alert(1)><button formaction='javascript:alert(1)'>x</button></form>",
        "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>", "<base href='//example.org'>", "<link rel=stylesheet href='//example.org/x.css'>",
        "<style>@import '//example.org/x.css'; body { display: none }</style>", "<div style='background: url(javascript:alert(1)); position: fixed'>x</div>",
        "<details open ontoggle=alert(1)>x</details>", "<video><source onerror=alert(1)></video>", "<embed src='javascript:alert(1)'>",
    ),
    "formulas in a text": shown("$\\href{javascript:alert(1)}{x}$", "$$\\unicode{<img src=x onerror=alert(1)>}$$", "`<script>alert(1)</script>`",
                                "```html\n<script>alert(1)</script>\n```", "$<script>alert(1)</script>$"),
    "ten thousand elements in a text": shown("<div>" * 10_000),
    "unclosed elements in a text": shown("<b" * 50_000, "<![CDATA[" * 10_000, "<!--" * 10_000),
    "brackets in a text": shown("[" * 20_000, "![" * 10_000, "*a" * 20_000, "`" * 20_000, ">" * 5000 + " x", "- " * 3000 + "x"),
    "attachments with scripts": Attack(change=attached),
    "HTML as output": Attack("from IPython.display import HTML, Javascript, SVG, Markdown, Latex, display\n"
        "display(HTML('<script>alert(1)</script>'), Javascript('alert(1)'), Markdown('<img src=x onerror=alert(1)>'), Latex('<script>alert(1)</script>'))\n"
        "display({'image/svg+xml': '<svg onload=alert(1)>', 'text/plain': '<script>alert(1)</script>',\n"
        "         'application/vnd.jupyter.widget-view+json': {'model_id': 'x'}}, raw=True)" + NOTHING),
    "a picture with quotes": Attack("from IPython.display import display\n"
        "display({'image/png': 'x\" onerror=\"alert(1)'}, raw=True)\n"
        "display({'image/png': 'aGVsbG8='}, metadata={'image/png': {'width': '1\" onerror=\"alert(1)', 'height': 10**9}}, raw=True)\n"
        "display({'text/plain': 'x'}, metadata={'tags': '\"><script>alert(1)</script>'}, raw=True)" + NOTHING),
    "scripts in an exception": said("<script>alert(1)</script><img src=x onerror=alert(1)>"),
    "scripts in a type's name": Attack("class E(Exception): pass\nE.__name__ = E.__qualname__ = '<script>alert(1)</script>'\n" + in_function("raise E()")),
    "scripts in a name": Attack("from types import FunctionType\n" + in_function("pass")
        + "dropout_mask.__name__ = dropout_mask.__qualname__ = '<script>alert(1)</script>'"),
    "escapes in output": Attack(f"print('{ESCAPES}')\nprint('\\x1b[8mhidden <script>alert(1)</script>\\x1b]8;;javascript:alert(1)\\x07x')" + NOTHING),
    "escapes in an exception": said(ESCAPES),
    "escapes in a type's name": Attack(f"E = type('E{ESCAPES}'.replace(chr(0), ''), (Exception,), {{}})\n" + in_function("raise E('x')")),
    "commands of CI in an exception": said(COMMANDS),
    "commands of CI in a wrapped line": Attack(in_function(
        "raise ValueError(' '.join('::set-output name=a::b ##[error]x' for _ in range(40)))")),
    "commands of CI behind separators": said("x\\u2028::set-output name=a::b\\x85##[error]x\\x0b::stop-commands::x\\x0c::add-mask::x\\x1c::debug::x"),
    "commands of CI behind a carriage return": said("x\\r::set-output name=a::b\\r##[group]x"),
    "names of added cells": Attack(change=lambda notebook: notebook.cells.append(
        new_code_cell("1", id="x", metadata={"nbgrader": {"grade_id": "\x1b[2J\n::set-output name=a::b", "grade": True, "points": 5,
                                                           "solution": False, "schema_version": 3}}))),
    "verdict in words": Attack("print('✓ test_dropout_mask 10 of 10\\n\\n60 of 60 points')\n" + in_function("print('passed: 10 of 10')")),
}  # fmt: skip
