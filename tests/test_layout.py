"""The rooms of `grader/`: which may import which, read from the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS: dict[str, set[str]] = {
    # From the top: what stands in a line may import what it names, all of it further down.
    "cli": {
        *(
            "students",
            "desk",
            "sites",
            "validation",
            "grading",
            "marks",
            "report",
            "execution",
            "assignment",
            "results",
        ),
        *("faults", "light"),
    },
    "students": {
        *("validation", "grading", "report", "rubric", "execution", "slicing", "assignment", "results", "inside"),
        "faults",
    },
    "desk": {"marks", "report", "assignment", "results", "faults", "light"},
    "sites": {"marks", "report", "assignment", "results"},
    "validation": {"grading", "report", "rubric", "execution", "assignment", "results", "faults"},
    "grading": {"report", "rubric", "execution", "assignment", "results", "inside", "faults", "light"},
    "marks": {"report", "assignment", "results", "faults"},
    "report": {"assignment", "results", "faults"},
    "rubric": {"execution", "assignment", "results", "faults"},
    "execution": {"assignment", "inside", "faults"},
    "slicing": {"assignment"},
    "assignment": {"results", "inside", "faults"},
    "results": {"faults"},
    "inside": set(),
    "faults": set(),
    "light": set(),
}
UPWARDS = {("__init__", "students")}
"""`%load_ext grader` is asked of the package itself."""


def modules(root: Path) -> dict[str, Path]:
    """All modules of the package, by name."""
    named = {}
    for path in sorted((root / "grader").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        named[".".join(parts).removesuffix(".__init__")] = path
    return named


def imported_by(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that one imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports by a relative name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [each if each in known else str(node.module) for each in names]
        else:
            continue
        yield from (each for each in names if each in known)


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def test_every_room_stands_in_the_table(root: Path) -> None:
    assert {room(name) for name in modules(root)} - {"__init__"} == set(ROOMS)


def test_the_table_itself_runs_one_way() -> None:
    order = list(ROOMS)
    assert all(order.index(below) > order.index(above) for above, allowed in ROOMS.items() for below in allowed)


@pytest.mark.parametrize("above", ROOMS)
def test_a_room_imports_what_the_table_allows_and_nothing_else(root: Path, above: str) -> None:
    known = modules(root)
    found: dict[str, list[str]] = {}
    for name, path in known.items():
        if room(name) != above:
            continue
        for imported in imported_by(name, path, known):
            # The package itself has the version, and may be asked where it lies.
            if room(imported) not in (above, "__init__"):
                found.setdefault(room(imported), []).append(f"{name} imports {imported}")
    assert {below: lines for below, lines in found.items() if below not in ROOMS[above]} == {}
    assert set(found) == ROOMS[above], "what is not used is not allowed"


def test_only_the_extension_of_ipython_is_imported_upwards(root: Path) -> None:
    known = modules(root)
    assert {("__init__", room(each)) for each in imported_by("grader", known["grader"], known)} == UPWARDS


def test_the_code_in_the_sandbox_imports_nothing_else_of_the_package(root: Path) -> None:
    known = modules(root)
    inside = [name for name in known if room(name) == "inside"]
    assert inside
    for name in inside:
        assert {room(each) for each in imported_by(name, known[name], known)} <= {"inside"}, name


def design(root: Path) -> str:
    return (root / "docs" / "design.md").read_text(encoding="utf-8")


def test_the_design_shows_the_same_table(root: Path) -> None:
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \|[^|]*\|([^|]*)\|$", design(root), re.MULTILINE)
    assert [(name, set(re.findall(r"\w+", below))) for name, below in rows] == list(ROOMS.items())


def test_the_design_has_a_section_for_each_room_in_the_order_of_the_table(root: Path) -> None:
    headings = re.findall(r"^## (`.*)$", design(root), re.MULTILINE)
    assert re.findall(r"`(\w+)(?:/|\.py)`", " ".join(headings)) == list(ROOMS)


def test_modules_that_the_design_names_stand_where_it_says(root: Path) -> None:
    missing = []
    for section in re.split(r"^## ", design(root), flags=re.MULTILINE):
        heading = re.match(r"`(\w+)/`", section)
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", section):
            places = [root / "grader" / name, root / name]
            if heading is not None:
                places.append(root / "grader" / heading.group(1) / name)
            if not any(place.exists() for place in places):
                missing.append(name)
    assert set(missing) <= {"adopt/"}, "but for the room to come"
