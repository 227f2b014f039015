"""An assignment: its `rubric.toml`, read and checked whole before anything is graded."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from grader.faults import Faults, shown
from grader.results.items import Item
from grader.results.names import slug
from grader.results.results import Feedback

QUESTION_ID = re.compile(r"(?P<section>\d+(?:\.\d+)*)\.(?P<letter>[a-z])")
DEFINITION = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\((?P<parameters>[^()]*)\))?")


class RubricError(Faults):
    """The rubric is wrong."""


class Definition(msgspec.Struct, frozen=True):
    """A name that an answer defines; `parameters` is None for a value, a tuple of names for a function."""

    name: str
    parameters: tuple[str, ...] | None


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one submission may use. CPU time decides; wall time is a backstop for code that sleeps."""

    cell_cpu_seconds: float = 120
    cell_wall_seconds: float = 900
    notebook_cpu_seconds: float = 3600
    """For all cells of a notebook together, however often it is run."""
    notebook_wall_seconds: float = 7200
    check_cpu_seconds: float = 10
    """For one check: all calls to the student's code that it makes."""
    check_wall_seconds: float = 120
    rubric_cpu_seconds: float = 60
    """For the code of one check itself, on this side: without what it asks of the student's code or the reference."""
    rubric_wall_seconds: float = 300
    rerun_cpu_seconds: float = 240
    """For one answer that is run again when an error is carried forward."""
    memory_bytes: int = 6 * 2**30
    """Address space of one process in the sandbox."""
    total_memory_bytes: int = 8 * 2**30
    """Memory of all processes of the notebook together, with shared memory and the sandbox's writable files."""
    processes: int = 256
    """Processes and threads in the sandbox, all together."""
    disk_bytes: int = 512 * 2**20
    """The sandbox's writable files, which are held in memory."""
    output_bytes: int = 1 * 2**20
    """Text printed by one cell; what follows is dropped."""
    display_bytes: int = 8 * 2**20
    """Figures and other rich output of one cell."""
    outputs_bytes: int = 32 * 2**20
    """All output of a notebook that is kept."""
    notebook_bytes: int = 50 * 2**20
    """A submission's file."""
    reading_cpu_seconds: float = 20
    """For reading that file and locating the answers in it."""
    restarts: int = 5
    """How often a notebook that kills its kernel is run again, without the cell that did it where that can be told."""


class Late(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lateness takes off. Every day that has begun counts."""

    due: datetime | None = None
    """In the site's own time zone, or with one. None: as the download was imported (`grader import --due`)."""
    grace_minutes: float = 0
    """So much later is still in time."""
    points_per_day: float = 0
    share_per_day: float = 0
    """Of all points there are to earn: 0.1 is a tenth."""
    most: float | None = None
    """The most that is taken off: points, or with `share_per_day` a share; None where nothing bounds it."""


class RubricItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a marker can choose at a question."""

    text: str
    """For markers: short."""
    points: float
    """What it adds; negative where it takes points off."""
    words: str = ""
    """For the student, in Markdown."""
    key: str = ""
    """Names it for ever; made from `text` where it is not given."""

    @property
    def name(self) -> str:
        return self.key or slug(self.text)


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    title: str
    points: float
    kind: Literal["code", "text"]
    defines: tuple[str, ...] = ()
    """Names that the answer defines, functions with their parameters: `sigmoid(x)`, `params`."""
    builds_on: tuple[str, ...] = ()
    """Earlier questions whose names the answer uses: their errors are carried forward."""
    run: bool = False
    """The answer is a run (training, tuning), not a function: carrying forward runs its cells again."""
    records: tuple[str, ...] = ()
    """Functions whose calls by this answer's cells are recorded: `student.calls(name)` has them."""
    criteria: str = ""
    """How a reader marks it."""
    items: tuple[RubricItem, ...] = msgspec.field(default=(), name="item")
    """What a reader can choose, in the order in which it is offered."""
    context: tuple[str, ...] = ()
    """What a text is about, and is shown beside it: other questions, also such that are worth no points."""

    @property
    def section(self) -> str:
        return self.id.rpartition(".")[0]

    @property
    def letter(self) -> str:
        return self.id.rpartition(".")[2]

    @property
    def definitions(self) -> tuple[Definition, ...]:
        return tuple(parse_definition(text) for text in self.defines)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(definition.name for definition in self.definitions)


class Check(msgspec.Struct, frozen=True):
    """One test function of a rubric with its question mark; all its parametrised cases together."""

    name: str
    """`test_file.py::test_name`, and `[case]` where the case has a mark of its own."""
    question: str
    points: float
    title: str
    public: bool = False
    """Whether students get it, to check themselves before they hand in."""
    feedback: Feedback = "full"


class _Head(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands in `rubric.toml` beside the questions and limits."""

    title: str
    reference: str
    preload: list[str] = []
    hidden_feedback: Feedback = "full"


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A rubric folder as read: `folder/rubric.toml` and the checks beside it."""

    name: str
    folder: Path
    title: str
    reference: Path
    preload: tuple[str, ...]
    limits: Limits
    questions: tuple[Question, ...]
    hidden_feedback: Feedback = "full"
    """What students are told of those checks that are not public, where the check's own mark does not say."""
    late: Late | None = None
    """None where lateness takes nothing off."""

    @property
    def max_points(self) -> float:
        return sum(question.points for question in self.questions)

    def question(self, id: str) -> Question:
        for question in self.questions:
            if question.id == id:
                return question
        raise KeyError(id)

    @property
    def items(self) -> list[Item]:
        """All items of the rubric, as markers and the store know them."""
        return [
            Item(
                question=question.id,
                key=item.name,
                text=item.text,
                points=item.points,
                words=item.words,
                position=position,
                origin="rubric",
            )
            for question in self.questions
            for position, item in enumerate(question.items)
        ]

    def ancestors(self, id: str) -> tuple[Question, ...]:
        """The questions that `id` builds on, directly or through others, in the rubric's order."""
        found: set[str] = set()
        todo = list(self.question(id).builds_on)
        while todo:
            earlier = todo.pop()
            if earlier not in found:
                found.add(earlier)
                todo.extend(self.question(earlier).builds_on)
        return tuple(question for question in self.questions if question.id in found)


def parse_definition(text: str) -> Definition:
    """Read `name` or `name(parameter, ...)`; ValueError for anything else."""
    match = DEFINITION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is neither a name nor a function with its parameters")
    parameters = match["parameters"]
    if parameters is None:
        return Definition(match["name"], None)
    names = tuple(name.split("=")[0].strip() for name in parameters.split(",") if name.strip())
    return Definition(match["name"], names)


def load_assignment(folder: Path) -> Assignment:
    """Read `folder/rubric.toml`. RubricError names every fault in it at once."""
    path = folder / "rubric.toml"
    try:
        content = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        why = f"cannot be read ({error.strerror}); a rubric is a folder with a rubric.toml"
        raise RubricError([f"{shown(path)}: {why}"]) from None
    except UnicodeDecodeError:
        raise RubricError([f"{shown(path)}: is not text in UTF-8"]) from None
    except msgspec.DecodeError as error:
        raise RubricError([f"{shown(path)}: is not TOML: {error}"]) from None
    reader = _Reader()
    late = reader.convert("late", content.pop("late"), Late) if "late" in content else None
    head, limits, questions = reader.read(content)
    faults = reader.faults + _faults_of_limits(limits) + _faults_of_late(late) + _faults_of_questions(questions)
    reference = (folder / head.reference if head else folder).resolve()
    if head and not reference.is_file():
        faults.append(f"reference: there is no file {head.reference}")
    if head is None or faults:
        raise RubricError([f"{shown(path)}: {fault}" for fault in faults])
    return Assignment(
        name=folder.resolve().name,
        folder=folder.resolve(),
        title=head.title,
        reference=reference,
        preload=tuple(head.preload),
        limits=limits,
        questions=tuple(question for _, question in questions if question is not None),
        hidden_feedback=head.hidden_feedback,
        late=late,
    )


_T = TypeVar("_T")
_Questions = list[tuple[str, Question | None]]
"""In order; None where a question cannot be read, but others may still build on it."""


class _Reader:
    """Reads the parts of a rubric one by one, so that a fault in one hides none in another."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def read(self, content: dict[str, Any]) -> tuple[_Head | None, Limits, _Questions]:
        tables = content.pop("question", [])
        limits = self.convert("limits", content.pop("limits", {}), Limits) or Limits()
        head = self.convert("", content, _Head)
        if not isinstance(tables, list) or not tables:
            self.faults.append("has no [[question]]")
            return head, limits, []
        questions: _Questions = []
        for number, table in enumerate(tables, start=1):
            id = table.get("id") if isinstance(table, dict) else None
            where = f"question {id}" if isinstance(id, str) else f"[[question]] number {number}"
            questions.append((str(id), self.convert(where, table, Question)))
        return head, limits, questions

    def convert(self, where: str, table: object, kind: type[_T]) -> _T | None:
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            self.faults.append(": ".join(filter(None, [where, *_said_plainly(str(error))])))
            return None


def _said_plainly(message: str) -> list[str]:
    """The place and the fault, from a message such as "Expected `str`, got `int` - at `$.title`"."""
    fault, _, place = message.partition(" - at ")
    fault = fault.replace("Object missing required field", "there is no")
    fault = fault.replace("Object contains unknown field", "there is no such setting as")
    return [place.strip("`").removeprefix("$").removeprefix("."), fault[:1].lower() + fault[1:]]


def _faults_of_limits(limits: Limits) -> list[str]:
    return [
        f"limits: {name}: {value:g} is too small"
        for name, value in msgspec.structs.asdict(limits).items()
        if not value > (-1 if name == "restarts" else 0)
    ]


def _faults_of_late(late: Late | None) -> list[str]:
    if late is None:
        return []
    faults = []
    numbers = {
        "grace_minutes": late.grace_minutes,
        "points_per_day": late.points_per_day,
        "share_per_day": late.share_per_day,
        "most": late.most or 0,
    }
    faults += [f"late: {name}: {value:g} must be 0 or more" for name, value in numbers.items() if not 0 <= value < 1e6]
    if bool(late.points_per_day) == bool(late.share_per_day):
        faults.append("late: give either points_per_day or share_per_day")
    if late.share_per_day > 1 or (late.share_per_day and (late.most or 0) > 1):
        faults.append("late: a share is at most 1")
    return faults


def _faults_of_questions(questions: _Questions) -> list[str]:
    faults: list[str] = []
    earlier: set[str] = set()
    ids = {id for id, _ in questions}
    for id, question in questions:
        where = f"question {id}"
        if question is not None:
            if id in earlier:
                faults.append(f"{where} is given twice")
            faults += [f"{where}: {fault}" for fault in _faults_of_question(question)]
            for other in question.builds_on:
                if other not in earlier:
                    which = "does not come before it" if other in ids else "is not in this rubric"
                    faults.append(f"{where}: builds_on: {other} {which}")
        earlier.add(id)
    return faults


def _faults_of_question(question: Question) -> list[str]:
    faults: list[str] = []
    if not QUESTION_ID.fullmatch(question.id):
        faults.append("an id is a section number and a letter, such as 1.3.a")
    if not question.points > 0 or (question.points * 2) % 1:
        faults.append(f"{question.points:g} points; points are positive, in steps of 0.5")
    for text in question.defines:
        try:
            parse_definition(text)
        except ValueError as error:
            faults.append(f"defines: {error}")
    faults += [f"records: {name!r} is no name of a function" for name in question.records if not name.isidentifier()]
    faults += [
        f"context: {other!r} is no other question, such as 1.1.d"
        for other in question.context
        if not QUESTION_ID.fullmatch(other) or other == question.id
    ]
    for number, item in enumerate(question.items, start=1):
        if not item.text.strip():
            faults.append(f"item number {number} has no text")
        if not abs(item.points) <= 1000 or (item.points * 2) % 1:
            faults.append(f"item {item.name}: {item.points:g} points; points are given in steps of 0.5")
    names = Counter(item.name for item in question.items)
    faults += [
        f"item {name} is there {count} times; give each a key of its own" for name, count in names.items() if count > 1
    ]
    return faults
