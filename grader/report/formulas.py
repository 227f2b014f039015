"""TeX formulas as MathML, which browsers show without script or font; or as their source, where that fails."""

from __future__ import annotations

import re

from markupsafe import Markup

from grader.report.budget import FORMULA_CHARACTERS
from grader.report.sanitise import sanitise, too_deep
from grader.report.text import clean

# A macro can double its own length at each use: a line of them would fill the memory.
_MACRO = re.compile(r"\\(?:[egx]?def|let|(?:re|provide)?newcommand|(?:re)?newenvironment|DeclareMathOperator)")
_NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather|multline|flalign|eqnarray)\}")


def formula(tex: str, *, block: bool) -> Markup:
    tex = clean(tex).strip()
    mathml = None if _unfit(tex) else _mathml(tex, block)
    if mathml is None:
        source = Markup('<code class="tex">{}</code>').format(tex)
        return Markup('<div class="formula">{}</div>').format(source) if block else source
    return Markup('<div class="formula">{}</div>').format(mathml) if block else mathml


def _unfit(tex: str) -> bool:
    # In \text{...} the converter takes < for markup; elsewhere it is replaced by its command.
    bracket_in_text = ("<" in tex or ">" in tex) and ("\\text" in tex or "\\mbox" in tex)
    return not tex or len(tex) > FORMULA_CHARACTERS or bool(_MACRO.search(tex)) or bracket_in_text


def _mathml(tex: str, block: bool) -> Markup | None:
    from latex2mathml.converter import convert  # reads a table of all symbols

    tex = _NUMBERED.sub(r"\\\1{\2*}", tex).replace("<", r"\lt ").replace(">", r"\gt ")
    try:
        html = convert(tex, display="block" if block else "inline")
    except Exception:  # the converter raises many kinds for broken TeX, RecursionError and IndexError among them
        return None
    return None if too_deep(html) else sanitise(html)
