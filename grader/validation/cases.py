"""What a rubric is tried with: the variants and mutants in `mutants/*.toml`, and the generated mutants."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec

from grader.assignment.assignment import Assignment, Check, RubricError
from grader.assignment.solution import SolutionError, solution_lines
from grader.faults import shown
from grader.validation.mutation import mutate

FOLDER = "mutants"

Kind = Literal["reference", "variant", "mutant", "generated"]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to one question that is right (the reference's, a variant) or has one mistake (a mutant)."""

    kind: Kind
    question: str
    name: str
    sources: tuple[str, ...]
    """The cells that take the place of the question's own."""
    file: str = ""
    """Where it is written down; empty for a generated one."""
    fails: tuple[str, ...] = ()
    """For a mutant: the checks that must fail; all others must pass."""
    equivalent: str = ""
    """For a generated mutant: the reason why it is no mistake."""


class _Variant(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    question: str
    name: str
    code: str = ""
    edits: list[tuple[str, str]] = []


class _Mutant(_Variant, kw_only=True, forbid_unknown_fields=True):
    loses: float
    by: list[str] = []


class _Equivalent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    question: str
    change: str
    reason: str


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    variant: list[_Variant] = []
    mutant: list[_Mutant] = []
    equivalent: list[_Equivalent] = []


Answers = Mapping[str, Sequence[str]]
"""The reference's own answer to each code question: the sources of its code cells."""


def load_cases(assignment: Assignment, checks: Sequence[Check], answers: Answers) -> list[Case]:
    """All cases, in the order of the questions. RubricError names every fault in the files at once."""
    reader = _Reader(assignment, checks, answers)
    for path in sorted((assignment.folder / FOLDER).glob("*.toml")):
        reader.read(path)
    cases = [
        Case(kind="reference", question=question, name="the reference's answer", sources=tuple(sources))
        for question, sources in answers.items()
    ]
    cases += [*reader.cases, *reader.generate()]
    if reader.faults:
        raise RubricError(reader.faults)
    order = {question.id: place for place, question in enumerate(assignment.questions)}
    kinds = get_args(Kind)
    return sorted(cases, key=lambda case: (order[case.question], kinds.index(case.kind)))


class _Reader:
    def __init__(self, assignment: Assignment, checks: Sequence[Check], answers: Answers) -> None:
        self.assignment = assignment
        self.checks: dict[str, list[Check]] = {question: [] for question in answers}
        for check in checks:
            self.checks[check.question].append(check)
        self.answers = answers
        self.cases: list[Case] = []
        self.equivalents: dict[tuple[str, str], tuple[str, str]] = {}
        """By question and change: the reason, and where it is written down."""
        self.faults: list[str] = []
        self.names: set[tuple[str, str, str]] = set()

    def read(self, path: Path) -> None:
        try:
            content = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            self.faults.append(f"{shown(path)}: {error}")
            return
        for kind, entries in (("variant", content.variant), ("mutant", content.mutant)):
            for entry in entries:
                where = f"{shown(path)}: {kind} {entry.name!r} of {entry.question}"
                faults = list(self.faults_of(kind, entry))
                self.faults += [f"{where}: {fault}" for fault in faults]
                if not faults:
                    self.cases.append(self.case(entry, str(path.relative_to(self.assignment.folder))))
        for equivalent in content.equivalent:
            key = (equivalent.question, equivalent.change)
            if not equivalent.reason.strip():
                self.faults.append(f"{shown(path)}: equivalent {equivalent.change!r}: needs a reason")
            self.equivalents[key] = (equivalent.reason, shown(path))

    def faults_of(self, kind: str, entry: _Variant) -> Iterator[str]:
        if entry.question not in self.checks:
            yield "there is no such code question in rubric.toml"
            return
        if (kind, entry.question, entry.name) in self.names:
            yield "is given twice"
        self.names.add((kind, entry.question, entry.name))
        if bool(entry.code.strip()) == bool(entry.edits):
            yield "needs `code`, or `edits` to the reference's answer, and not both"
        answer = self.answer(entry.question)
        for old, _ in entry.edits:
            count = answer.count(old)
            if count != 1:
                times = f"{count} times" if count else "nowhere"
                yield f"{old!r} occurs {times} in the reference's answer; it must occur exactly once"
        if isinstance(entry, _Mutant):
            yield from self.faults_of_mutant(entry)

    def faults_of_mutant(self, entry: _Mutant) -> Iterator[str]:
        checks = self.checks[entry.question]
        known = {_function(check): check for check in checks}
        unknown = [name for name in entry.by if name not in known]
        if unknown:
            yield f"by: {', '.join(unknown)}: the checks of this question are {', '.join(known)}"
            return
        failing = [known[name] for name in entry.by] or checks
        worth = sum(check.points for check in failing)
        if worth != entry.loses:
            which = "the checks in `by`" if entry.by else "all checks of the question"
            hint = "" if entry.by else "; name those that must fail in `by`"
            yield f"loses {entry.loses:g} points, but {which} are worth {worth:g}{hint}"
        if not entry.loses > 0:
            yield "a mutant loses points; an answer that loses none is a variant"

    def case(self, entry: _Variant, file: str) -> Case:
        source = entry.code.strip("\n")
        if entry.edits:
            source = self.answer(entry.question)
            for old, new in entry.edits:
                source = source.replace(old, new)
        fails: tuple[str, ...] = ()
        if isinstance(entry, _Mutant):
            fails = tuple(c.name for c in self.checks[entry.question] if not entry.by or _function(c) in entry.by)
        return Case(
            kind="mutant" if isinstance(entry, _Mutant) else "variant",
            question=entry.question,
            name=entry.name,
            sources=(source,),
            file=file,
            fails=fails,
        )

    def answer(self, question: str) -> str:
        return "\n\n".join(self.answers[question])

    def generate(self) -> Iterator[Case]:
        """The mutants of the reference's answers; each equivalent that is listed must be one of them."""
        listed = dict(self.equivalents)
        for question, sources in self.answers.items():
            places = self.mutated(question)
            for place in places:
                try:
                    mutations = mutate(sources[place])
                except (SyntaxError, SolutionError) as error:
                    self.faults.append(f"{shown(self.assignment.reference)}: the answer to {question}: {error}")
                    continue
                for mutation in mutations:
                    change = mutation.change if len(places) == 1 else f"{mutation.change} (cell {place + 1})"
                    reason, _ = listed.pop((question, change), ("", ""))
                    yield Case(
                        kind="generated",
                        question=question,
                        name=change,
                        sources=(*sources[:place], mutation.source, *sources[place + 1 :]),
                        equivalent=reason,
                    )
        for (question, change), (_, file) in listed.items():
            self.faults.append(f"{file}: equivalent {change!r} of {question}: no such mutant is generated (any more)")

    def mutated(self, question: str) -> list[int]:
        """Which cells of an answer to change: where a solution is marked, only that is the answer."""
        sources = self.answers[question]
        marked = [place for place, source in enumerate(sources) if _has_solution(source)]
        return marked or list(range(len(sources)))


def _has_solution(source: str) -> bool:
    try:
        return bool(solution_lines(source))
    except SolutionError:
        return True  # which is told when it is to be changed


def _function(check: Check) -> str:
    return check.name.partition("::")[2]
