"""Attacks on who reads the report: all of it is shown, and none of it runs, loads or navigates."""

from __future__ import annotations

from hostile.entry import Hostile, beside

RUN = "document.title='RAN'"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script><use href="//example.org/x#y"/></svg>'
MASKS = "<svg xmlns='http://www.w3.org/2000/svg'>" + "".join(
    f"<mask id='m{i}'><rect width='9' height='9' mask='url(#m{i + 1})'/><rect width='9' height='9' mask='url(#m{i + 1})'/></mask>"
    for i in range(30)
) + "<rect width='9' height='9' mask='url(#m0)'/></svg>"  # fmt: skip
BUNDLES: dict[str, dict[str, object]] = {
    "html-script": {"text/html": f"<script>{RUN}</script><img src=x onerror={RUN}>"},
    "html-frame": {
        "text/html": f'<iframe srcdoc="<script>{RUN}</script>"></iframe><object data="//example.org"></object>'
    },
    "html-form": {"text/html": '<form action="//example.org"><input autofocus onfocus=alert(1)><button formaction=x>'},
    "html-style": {"text/html": "<style>* { display: none }</style><p style='position:fixed; inset:0'>x</p>"},
    "html-base": {"text/html": '<base href="//example.org"><meta http-equiv=refresh content="0; url=//example.org">'},
    "html-end-of-page": {"text/html": f"</main></body></html><script>{RUN}</script>"},
    "html-links": {"text/html": f'<a href="java\tscript:{RUN}">x</a><a ping="//example.org" href="#x">y</a>'},
    "html-never-closed": {"text/html": "<div>" * 20_000},
    "html-unbalanced-tables": {"text/html": "<table><tr><td>" * 3000 + "</div>" * 3000},
    "html-attributes": {"text/html": "<p " + " ".join(f"a{i}=x" for i in range(5000)) + ">x</p>"},
    "html-ids": {"text/html": '<div id="overview" class="hidden"><a name="q-1.1.a">x</a></div>'},
    "javascript": {"application/javascript": RUN},
    "svg-script": {"image/svg+xml": SVG},
    "svg-in-html": {"text/html": SVG},
    "svg-masks": {"image/svg+xml": MASKS},
    "svg-entities": {"image/svg+xml": '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>'},
    "svg-foreign-object": {
        "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'><foreignObject><body onload={RUN}/></foreignObject></svg>"
    },
    "png-that-is-none": {"image/png": "PHNjcmlwdD4="},
    "png-of-no-base64": {"image/png": '"><script>'},
    "latex": {"text/latex": "$" + "\\frac{" * 2000 + "x" + "}" * 4000 + "$"},
    "latex-macros": {"text/latex": '$\\def\\a{\\a\\a}\\a \\href{javascript:alert(1)}{x} \\class{"><script>}{y}$'},
    "markdown": {"text/markdown": f"[x](javascript:{RUN}) ![x](data:text/html,x) <script>{RUN}</script>"},
    "markdown-nested": {"text/markdown": ">" * 3000 + "x\n\n" + "- " * 1000 + "y\n\n" + "*" * 5000 + "[" * 5000},
    "many-kinds": {
        f"text/{kind}": "<script>alert(1)</script>" for kind in ("x", "html", "vnd.y+json", "plain", "markdown")
    },
    "kind-of-a-name": {"text/<script>alert(1)</script>": "x", "image/svg+xml; charset=<b>": SVG},
    "widgets": {"application/vnd.jupyter.widget-view+json": {"model_id": "<script>"}},
    "json": {"application/json": {"__proto__": {"x": "<script>"}, "y": ["</script>"] * 1000}},
}
PRINTED = {
    "ansi": "'\\x1b[31m' * 5000 + '\\x1b]8;;https://example.org\\x07x\\x1b[2J\\x1b[999999999C'",
    "bidi": "'\\u202e\\u2066\\u2067' * 5000 + 'txt.exe'",
    "control-characters": "''.join(map(chr, range(0x300)))",
    "commands-of-a-log": "'\\n::error::x\\n::set-output name=points::4.5\\n::stop-commands::x\\n##[error]x\\n'",
    "jinja": "'{{ 7 * 7 }} {% raw %} {# x #} ${7*7} <%= 7 %>'",
    "combining": "'a' + '\\u0301' * 20000",
    "one-line": "'<' * 19000",
    "page-ends": "'</pre></code></main></body></html><script>alert(1)</script>'",
}
NAMED = """
class Error(Exception):
    __str__ = __repr__ = lambda self: "<script>alert(1)</script>"
Error.__name__ = Error.__qualname__ = "<img src=x onerror=alert(1)>"
raise Error
"""

REPORTS: dict[str, Hostile] = {
    **{
        name: beside(double=f"def double(x):\n    return 2 * x\ndisplay({data!r}, raw=True)")
        for name, data in BUNDLES.items()
    },
    **{
        f"prints-{name}": beside(double=f"def double(x):\n    return 2 * x\nprint({text})")
        for name, text in PRINTED.items()
    },
    "error-of-a-name": beside(double=f"def double(x):\n    return 2 * x\n{NAMED}"),
    "message-of-an-answer": beside(
        double="def double(x):\n    return '<script>alert(1)</script>' * 20", gets=(0, 2, 1.5)
    ),
    "error-in-an-answer": beside(double=f"def double(x):{NAMED.replace(chr(10), chr(10) + '    ')}", gets=(0, 2, 1.5)),
    "text-answer": beside(
        text=f"<script>{RUN}</script>\n\n" + ">" * 500 + "[x](javascript:1) ![y](attachment:<script>)"
    ),
    "functions-name": beside(
        double="def double(x):\n    return type('</code><script>alert(1)</script>', (), {})()", gets=(0, 2, 1.5)
    ),
}
