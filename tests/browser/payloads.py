"""What a student may write to attack whoever opens the page. Each one that runs calls ``pwn`` with its name."""

from __future__ import annotations

import base64
import json
from typing import Any


def js(name: str) -> str:
    """Return JavaScript without quotes of one kind that notes that it ran."""
    return f"(window.pwned=window.pwned||[]).push(`{name}`)"


SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{js("svg")}"><script>{js("svg script")}</script></svg>'
SVG_URL = "data:image/svg+xml;base64," + base64.b64encode(SVG.encode()).decode()

MARKDOWN = {
    "script": f"<script>{js('script')}</script>",
    "onerror": f'<img src=x onerror="{js("onerror")}">',
    "onload": f'<svg onload="{js("onload")}"></svg>',
    "link": "[link-one](javascript:(window.pwned=window.pwned||[]).push('link'))",
    "files link": "[link-two](files/javascript:(window.pwned=window.pwned||[]).push('files'))",
    "nested files link": "[link-three](files/files/javascript:alert(1))",
    "entity link": f'<a href="jav&#x09;ascript:{js("entity")}">link-four</a>',
    "files attribute": f'<a href="files/javascript:{js("attribute")}">link-five</a>',
    "autolink": "<javascript:alert(1)>",
    "reference": "[link-six][r]\n\n[r]: files/javascript:alert(1)",
    "picture": f"![]({SVG_URL})\n\n![](x)",
    "attachment": "![a](attachment:evil.svg)",
    "iframe": f'<iframe srcdoc="<script>parent.{js("iframe")[1:].replace("=window", "=parent")}</script>"></iframe>',
    "object": f'<object data="{SVG_URL}"></object><embed src="{SVG_URL}">',
    "math": f'<math><mtext><table><mglyph><style><img src=x onerror="{js("mxss")}">',
    "noscript": f'<noscript><p title="</noscript><img src=x onerror={js("noscript")}>">',
    "template": f"<template><script>{js('template')}</script></template>",
    "details": f'<details open ontoggle="{js("details")}">x</details>',
    "focus": f'<input autofocus onfocus="{js("focus")}"><form action="/x"><button>b</button></form>',
    "style": '<style>body { display: none }</style><div style="position:fixed;inset:0">cover</div>',
    "base": '<base href="http://127.0.0.1:1/"><meta http-equiv="refresh" content="0;url=http://127.0.0.1:1/">',
    "heading": f'# head <img src=x onerror="{js("heading")}">',
    "code": f"```<img/src=x/onerror={js('fence')}>\nx\n```",
    "mermaid": f'```mermaid\n<img src=x onerror="{js("mermaid")}">\n```',
    "formula": f'$<img src=x onerror="{js("formula")}">$ and $$</p><script>{js("formula2")}</script>$$',
    "box": '<input class="score" id="test_dropout_forward"><a class="full-credit" href="#">all points</a>',
}
ATTACHMENT = {"evil.svg": {"image/svg+xml": base64.b64encode(SVG.encode()).decode()}}


def _shown(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
OUTPUTS = {
    "html": _shown({"text/html": f"<script>{js('output html')}</script><b onclick=x>bold</b>"}),
    "isolated": _shown(
        {"text/html": f"<script>top.{js('isolated')}</script>"}, {"text/html": {"isolated": True}}
    ),
    "javascript": _shown({"application/javascript": js("javascript")}),
    "svg": _shown({"image/svg+xml": SVG}),
    "markdown": _shown({"text/markdown": f"<img src=x onerror='{js('markdown')}'>"}),
    "latex": _shown({"text/latex": f"$<script>{js('latex')}</script>$"}),
    "width": _shown(
        {"image/png": PIXEL}, {"image/png": {"width": f"1 onload={js('width')}", "height": 2}}
    ),
    "broken png": _shown({"image/png": f'" onerror="{js("png")}'}),
    "widget": _shown({"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}),
    "stream": {
        "output_type": "stream",
        "name": "stdout",
        "text": f"\x1b[31m<script>{js('ansi')}</script>",
    },
}


def wrap(output: dict[str, Any]) -> str:
    """Return Python code that displays an output."""
    if output["output_type"] == "stream":
        return f"print({output['text']!r})"
    return (
        f"import json; from IPython.display import publish_display_data; "
        f"publish_display_data(json.loads({json.dumps(output['data'])!r}))"
    )
