"""Items that were added or changed while marking, written back to the rubric: next year's markers begin with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from grader.assignment.assignment import Assignment, load_assignment
from grader.faults import Faults, shown
from grader.results.decisions import Store
from grader.results.items import Item
from grader.results.names import slug
from grader.results.results import write_atomically


class Kept(msgspec.Struct, kw_only=True):
    """What was written into `rubric.toml`, as `1.1.c stuck`."""

    added: list[str] = []
    changed: list[str] = []
    left_out: list[str] = []
    """Retired while marking: they are not written, and those of the rubric stay in it."""


def keep_items(assignment: Assignment, output: Path) -> Kept:
    """Write the items of the results in `output` into the rubric; all else in its file stays as it is, comments too.

    Raises Faults, MarksError, OSError.
    """
    try:
        import tomlkit
    except ImportError:
        raise Faults(["writing items back needs one more package: pip install 'grader[mark]'"]) from None
    path = assignment.folder / "rubric.toml"
    maxima = {question.id: question.points for question in assignment.questions}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    with Store.open(output) as store:
        # What the rubric says by now is not overwritten with what it said when marking began.
        store.sync_items(assignment.items, maxima, who="", when=when)
        items = store.items()
        kept = Kept(left_out=[_name(item) for item in items if item.retired])
        # Not decoded by Python's own text reader, which would change the ends of lines.
        document = tomlkit.parse(path.read_bytes().decode())
        for table in document["question"]:
            own = [item for item in items if item.question == table["id"] and not item.retired]
            _write(table, own, kept)
        if not (kept.added or kept.changed):
            return kept
        before = path.read_bytes()
        write_atomically(path, tomlkit.dumps(document).encode())
        try:
            new = load_assignment(assignment.folder)
            if [_said(item) for item in new.items if _name(item) not in kept.left_out] != [
                _said(item) for item in _in_order(new, items)
            ]:
                raise Faults([f"{shown(path)}: the items cannot be written into it; the file is as it was"])
        except Faults:
            write_atomically(path, before)
            raise
        store.sync_items(new.items, maxima, who="", when=when)
    return kept


def _write(table: Any, items: Sequence[Item], kept: Kept) -> None:
    """Bring the items of one question into its table."""
    import tomlkit

    there = {str(each.get("key") or slug(str(each["text"]))): each for each in table.get("item", [])}
    for item in items:
        if item.key not in there:
            new = tomlkit.table()
            for name, value in _fields(item).items():
                new.add(name, _value(value))
            if "item" not in table:
                table.add("item", tomlkit.aot())
            elif table["item"]:
                _end_with_an_empty_line(table["item"][-1])
            table["item"].append(new)
            _end_with_an_empty_line(new)
            kept.added.append(_name(item))
        elif _differs(there[item.key], item):
            old = there[item.key]
            # A key that was made from the text has to stay what it is when the text changes.
            for name, value in _fields(item).items():
                if name in old or value != "":
                    old[name] = _value(value)
            kept.changed.append(_name(item))


def _end_with_an_empty_line(table: Any) -> None:
    import tomlkit

    if not tomlkit.dumps(table).endswith("\n\n"):
        table.add(tomlkit.nl())


def _fields(item: Item) -> dict[str, str | float]:
    points = int(item.points) if item.points == int(item.points) else item.points
    fields: dict[str, str | float] = {"key": item.key, "text": item.text, "points": points}
    return fields | ({"words": item.words} if item.words else {})


def _value(value: str | float) -> Any:
    import tomlkit

    return tomlkit.string(value, multiline="\n" in value) if isinstance(value, str) else tomlkit.item(value)


def _differs(table: Any, item: Item) -> bool:
    said = (str(table["text"]), float(table["points"]), str(table.get("words", "")))
    return said != (item.text, item.points, item.words)


def _said(item: Item) -> tuple[str, str, str, float, str]:
    return (item.question, item.key, item.text, item.points, item.words)


def _in_order(assignment: Assignment, items: Sequence[Item]) -> list[Item]:
    """The stored items that are not retired, as the rubric has them."""
    stored = {(item.question, item.key): item for item in items if not item.retired}
    return [stored[item.question, item.key] for item in assignment.items if (item.question, item.key) in stored]


def _name(item: Item) -> str:
    return f"{item.question} {item.key}"
