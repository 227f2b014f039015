"""Reading variants and mutants: what is understood, and every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.assignment.assignment import RubricError, load_assignment
from grader.execution.reference import Reference
from grader.rubric.checks import load_checks
from grader.validation.cases import Case, load_cases


def cases_of(folder: Path) -> list[Case]:
    assignment = load_assignment(folder)
    reference = Reference(assignment)
    answers = {q.id: reference.sources(q.id) for q in assignment.questions if q.kind == "code"}
    return load_cases(assignment, load_checks(assignment), answers)


def test_edits_change_the_reference(rubric: Path) -> None:
    (half,) = [case for case in cases_of(rubric) if case.name == "half"]
    assert "return x / 2" in half.sources[0]
    assert half.fails == ("test_mini.py::test_double",)


def test_the_checks_in_by_are_those_that_must_fail(rubric: Path) -> None:
    (mutant,) = [case for case in cases_of(rubric) if case.name == "without double"]
    assert mutant.fails == ("test_mini.py::test_quadruple_uses_double",)


def test_cases_come_by_question_and_kind(rubric: Path) -> None:
    found = [(case.question, case.kind) for case in cases_of(rubric)]
    assert found == sorted(
        found, key=lambda pair: (pair[0], ["reference", "variant", "mutant", "generated"].index(pair[1]))
    )
    assert {kind for _, kind in found} == {"reference", "variant", "mutant", "generated"}


FAULTS = {
    "unknown question": ('[[variant]]\nquestion = "9.9.z"\nname = "n"\ncode = "x"', "there is no such code question"),
    "text question": ('[[variant]]\nquestion = "1.2.a"\nname = "n"\ncode = "x"', "there is no such code question"),
    "no code": ('[[variant]]\nquestion = "1.1.a"\nname = "n"', "needs `code`, or `edits`"),
    "code and edits": (
        '[[variant]]\nquestion = "1.1.a"\nname = "n"\ncode = "x"\nedits = [["2 * x", "x"]]',
        "needs `code`, or `edits` to the reference's answer, and not both",
    ),
    "edit of nothing": (
        '[[variant]]\nquestion = "1.1.a"\nname = "n"\nedits = [["3 * x", "x"]]',
        "'3 * x' occurs nowhere in the reference's answer; it must occur exactly once",
    ),
    "edit of two": (
        '[[variant]]\nquestion = "1.1.b"\nname = "n"\nedits = [["double", "triple"]]',
        "'double' occurs 2 times in the reference's answer; it must occur exactly once",
    ),
    "unknown check": (
        '[[mutant]]\nquestion = "1.1.a"\nname = "n"\nloses = 1\nby = ["test_no"]\ncode = "x"',
        "by: test_no: the checks of this question are test_double",
    ),
    "wrong sum": (
        '[[mutant]]\nquestion = "1.1.b"\nname = "n"\nloses = 1\nby = ["test_quadruple"]\ncode = "x"',
        "loses 1 points, but the checks in `by` are worth 1.5",
    ),
    "by left out": (
        '[[mutant]]\nquestion = "1.1.b"\nname = "n"\nloses = 1.5\ncode = "x"',
        "loses 1.5 points, but all checks of the question are worth 2; name those that must fail in `by`",
    ),
    "twice": ('[[variant]]\nquestion = "1.1.a"\nname = "by addition"\ncode = "x"', "is given twice"),
    "unknown key": ('[[variant]]\nquestion = "1.1.a"\nname = "n"\ncod = "x"', "unknown field `cod`"),
    "no toml": ("[[variant", "more.toml: "),
    "no reason": (
        '[[equivalent]]\nquestion = "1.1.a"\nchange = "2 -> 3 in: return 2 * x"\nreason = " "',
        "needs a reason",
    ),
    "equivalent of nothing": (
        '[[equivalent]]\nquestion = "1.1.a"\nchange = "7 -> 8"\nreason = "r"',
        "equivalent '7 -> 8' of 1.1.a: no such mutant is generated (any more)",
    ),
}


@pytest.mark.parametrize(("text", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_in_one_line(rubric: Path, text: str, fault: str) -> None:
    (rubric / "mutants" / "more.toml").write_text(text)
    with pytest.raises(RubricError) as error:
        cases_of(rubric)
    (line,) = error.value.faults
    assert fault in line
    assert "more.toml" in line
    assert "\n" not in line


def test_all_faults_are_told_at_once(rubric: Path) -> None:
    (rubric / "mutants" / "more.toml").write_text("\n".join([FAULTS["no code"][0], FAULTS["unknown question"][0]]))
    with pytest.raises(RubricError) as error:
        cases_of(rubric)
    assert len(error.value.faults) == 2
