"""What proves the dl1 rubric: enough right answers and mistakes for each question, which `make validate` tries."""

from __future__ import annotations

from collections import Counter

import pytest

from grader.assignment.assignment import Assignment
from grader.execution.reference import Reference
from grader.rubric.checks import load_checks
from grader.validation.cases import Case, load_cases


@pytest.fixture(scope="module")
def cases(dl1: Assignment) -> list[Case]:
    reference = Reference(dl1)
    answers = {question.id: reference.sources(question.id) for question in dl1.questions if question.kind == "code"}
    return load_cases(dl1, load_checks(dl1), answers)


def test_every_code_question_has_variants_and_mutants(dl1: Assignment, cases: list[Case]) -> None:
    code = [question.id for question in dl1.questions if question.kind == "code"]
    variants = Counter(case.question for case in cases if case.kind == "variant")
    mutants = Counter(case.question for case in cases if case.kind == "mutant")
    assert min(variants[question] for question in code) >= 4
    assert min(mutants[question] for question in code) >= 6
    assert mutants.total() >= 100


def test_every_check_has_a_mutant_that_it_alone_rejects(dl1: Assignment, cases: list[Case]) -> None:
    alone = {case.fails[0] for case in cases if case.kind == "mutant" and len(case.fails) == 1}
    assert {check.name for check in load_checks(dl1)} - alone == set()
