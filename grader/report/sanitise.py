"""Student HTML, reduced to what shows text, tables, formulas and images that the page itself carries."""

from __future__ import annotations

import re
from collections.abc import Set

import nh3
from markupsafe import Markup

from grader.report.budget import NESTING

_TEXT = (
    "abbr b big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure "
    "h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp small span strike strong sub summary sup table tbody td "
    "tfoot th thead tr tt u ul var"
)
_MATH = (
    "math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt "
    "mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"
)
TEXT_TAGS = frozenset(_TEXT.split())
MATH_TAGS = frozenset(_MATH.split())
_ATTRIBUTES = {
    "th": {"colspan", "rowspan", "align", "scope"},
    "td": {"colspan", "rowspan", "align"},
    "ol": {"start"},
    "img": {"src", "alt", "width", "height"},
    "math": {"display"},
    "mo": {"stretchy", "fence", "form", "separator", "accent", "minsize", "maxsize"},
    "mi": {"mathvariant"},
    "mn": {"mathvariant"},
    "mtext": {"mathvariant"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mstyle": {"displaystyle", "scriptlevel", "mathvariant"},
    "mtable": {"displaystyle", "columnalign"},
    "mtd": {"columnalign"},
}
# What the page's own markdown and formula renderers write; students' attributes never get that far.
_OWN_CLASSES = {name: {"tex", "link", "address", "formula", "remark"} for name in ("code", "span", "div", "p")}

_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def sanitise(html: str, *, own: bool = False, images: Set[str] = frozenset()) -> Markup:
    """What is left of `html` when all that could run, load, navigate or restyle is gone.

    own: written by this package's renderers, whose classes are kept.
    images: the data: URIs that are known to be images; an image of any other address goes.
    """

    def keep(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "src":
            return value if value in images else None
        # A cell that spans ten million columns keeps a browser busy for ever.
        if attribute in {"colspan", "rowspan"} and not (value.isdecimal() and len(value) <= 3):
            return None
        return value

    tags = TEXT_TAGS | MATH_TAGS | ({"img"} if images else set())
    kept = nh3.clean(
        html,
        tags=tags,
        attributes={tag: names for tag, names in _ATTRIBUTES.items() if tag in tags},
        attribute_filter=keep,
        allowed_classes=_OWN_CLASSES if own else {},
        url_schemes={"data"},
        link_rel=None,
    )
    return Markup(kept)


def too_deep(html: str) -> bool:
    """Whether elements are nested so deeply that parsers slow down and browsers give up."""
    depth = 0
    for closing, name in _TAG.findall(html):
        if name.lower() not in _VOID:
            depth += -1 if closing else 1
        if depth > NESTING:
            return True
    return False


def visible_text(html: str) -> str:
    """The text of sanitised `html`."""
    return Markup(html).striptags()
