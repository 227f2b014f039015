"""The outputs of a cell, as pieces of a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any, Literal

from markupsafe import Markup

from grader.report.budget import HTML_CHARACTERS, OUTPUT_LINES, TEXT_CHARACTERS, Budget
from grader.report.formulas import formula
from grader.report.images import RASTER, SVG, data_uri
from grader.report.markdown import render_markdown
from grader.report.sanitise import sanitise, too_deep, visible_text
from grader.report.text import clean, excerpt, joined, printed

TOO_MUCH = "Not shown: this page holds too much already."


@dataclass(frozen=True)
class OutputView:
    """One output. `lines` is set where it is so long that it is folded."""

    kind: Literal["text", "stderr", "error", "html", "image", "remark"]
    body: Markup | str
    lines: int = 0


def views(outputs: Iterable[Mapping[str, Any]], budget: Budget, where: str) -> Iterator[OutputView]:
    """where: names the cell, for readers who do not see its images."""
    for stream, group in groupby((output for output in outputs if isinstance(output, Mapping)), key=_stream):
        if stream:
            # A kernel sends what is printed in many parts. One beyond the limit is enough to know that it was cut.
            parts = islice((joined(output.get("text")) for output in group), 100_000)
            yield _text("stderr" if stream == "stderr" else "text", "".join(parts), budget)
        else:
            yield from chain.from_iterable(_view(output, budget, where) for output in group)


def _stream(output: Mapping[str, Any]) -> str:
    return str(output.get("name") or "stdout") if output.get("output_type") == "stream" else ""


def _view(output: Mapping[str, Any], budget: Budget, where: str) -> Iterator[OutputView]:
    if output.get("output_type") == "error":
        trace = output.get("traceback")
        lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
        summary = f"{joined(output.get('ename'))}: {joined(output.get('evalue'))}"
        yield _text("error", "\n".join(lines) or summary, budget)
        return
    data = output.get("data")
    yield from _rich(data if isinstance(data, Mapping) else {}, budget, where)


def _rich(data: Mapping[str, Any], budget: Budget, where: str) -> Iterator[OutputView]:
    """The richest form of an output that can be shown, and a remark where the richest could not."""
    for mime in (*RASTER, SVG):
        if mime in data:
            uri = data_uri(mime, joined(data[mime]))
            if uri is None:
                yield OutputView("remark", f"An image ({mime}) is not shown: it is broken, or too much for a browser.")
            elif not (budget.spend("pixels", uri.pixels) and budget.spend("images", len(uri))):
                yield OutputView("remark", f"An image is not shown. {TOO_MUCH}")
            else:
                yield OutputView("image", Markup('<img src="{}" alt="Figure from {}">').format(uri, where))
                return
    if "text/html" in data and (html := _html(joined(data["text/html"]), "text/plain" in data, budget)):
        yield OutputView("html", html)
    elif "text/markdown" in data:
        yield OutputView("html", render_markdown(joined(data["text/markdown"]), budget))
    elif "text/latex" in data and budget.spend("parsed", len(latex := joined(data["text/latex"]))):
        yield OutputView("html", formula(latex.strip().strip("$"), block=True))
    elif "text/plain" in data:
        yield _text("text", joined(data["text/plain"]), budget)
    else:
        yield from _unshown(data)


def _html(source: str, has_plain_text: bool, budget: Budget) -> Markup | None:
    """Sanitised HTML; None where nothing worth showing is left of it."""
    lowered = source[:HTML_CHARACTERS].lower()
    # What brings its own styles is a drawing, such as scikit-learn's diagrams; without them its text says more.
    if has_plain_text and "<style" in lowered and "<table" not in lowered:
        return None
    html = clean(source[:HTML_CHARACTERS])
    if too_deep(html) or not budget.spend("parsed", len(html) // 4):
        return None
    kept = sanitise(html)
    if not visible_text(kept).strip():
        return None
    cut = Markup('<p class="remark">The rest of this output is not shown.</p>')
    return kept + cut if len(source) > HTML_CHARACTERS else kept


def _unshown(data: Mapping[str, Any]) -> Iterator[OutputView]:
    names = [clean(str(mime))[:100] for mime in islice(data, 5) if mime not in (*RASTER, SVG)]
    if names:
        yield OutputView("remark", f"An output is not shown: {', '.join(names)}.")


def _text(kind: Literal["text", "stderr", "error"], text: str, budget: Budget) -> OutputView:
    shown = printed(excerpt(text, TEXT_CHARACTERS).text).rstrip("\n")
    if not budget.spend("plain", len(shown)):
        return OutputView("remark", TOO_MUCH)
    lines = shown.count("\n") + 1
    return OutputView(kind, shown, lines if lines > OUTPUT_LINES else 0)
