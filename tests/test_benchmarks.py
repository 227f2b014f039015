"""The benchmarks: what is graded is the same for every tool, and what is said of it follows from the runs."""

from __future__ import annotations

import ast
import re
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

# Scripts, and no package: they are run by their paths.
sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import bare
import checks
import measure
import nbgrader_course
import otter_course
import page
import run
import scale
import summary
import workloads
from summary import Run, Summary, run_of, summarise, targets
from workloads import WORKLOADS

from tools import TOOLS, Done

# Workloads


@pytest.mark.parametrize("key", WORKLOADS)
def test_the_same_seed_makes_the_same_notebooks(key):
    workload = WORKLOADS[key]
    one, other = workloads.make(workload, 5, seed=3), workloads.make(workload, 4, seed=3)
    assert one[:4] == other
    assert one[1:] != workloads.make(workload, 5, seed=4)[1:]


@pytest.mark.parametrize("key", WORKLOADS)
def test_notebooks_are_as_students_hand_them_in(key):
    submissions = workloads.make(WORKLOADS[key], 12, seed=1)
    cells = {len(one.notebook.cells) for one in submissions}
    assert len(cells) == 1, "each cell stays where the other tools expect it"
    for one in submissions:
        nbformat.validate(one.notebook)
        assert not any(cell.metadata.get("tags") for cell in one.notebook.cells)
        assert "SOLUTION" not in "".join(cell.source for cell in one.notebook.cells)
    assert submissions[0].changes == ()
    assert any(one.changes for one in submissions[1:])


def test_what_is_left_out_is_not_answered():
    made = workloads.material(WORKLOADS["b"].rubric_folder)
    for one in workloads.make(WORKLOADS["b"], 3, seed=1):
        for question in WORKLOADS["b"].left_out:
            assert [one.notebook.cells[index].source for index in made.cells[question]] == ["# TODO"]


def test_networks_are_trained_by_right_functions_only():
    made = workloads.material(WORKLOADS["c"].rubric_folder)
    used = {earlier.id for q in made.assignment.questions if q.run for earlier in made.assignment.ancestors(q.id)}
    for one in workloads.make(WORKLOADS["c"], 30, seed=1):
        assert one.mistakes == 0
        assert used.isdisjoint(change.partition(":")[0] for change in one.changes)


def test_a_sweep_takes_the_place_of_the_one_run():
    (one,) = workloads.make(WORKLOADS["d"], 1, seed=1)
    (index,) = workloads.material(WORKLOADS["d"].rubric_folder).cells["1.6.d"]
    assert one.notebook.cells[index].source == workloads.SWEEP["1.6.d"].strip()


def test_a_class_has_broken_files_among_the_others():
    files = list(workloads.class_of(WORKLOADS["a"], 300, seed=1))
    assert files == list(workloads.class_of(WORKLOADS["a"], 300, seed=1))
    assert len({name for name, _ in files}) == 300
    kinds = {kind for kind, _ in workloads.broken(WORKLOADS["a"], seed=1)}
    assert {name.partition("-")[2] for name, _ in files} == {"", *kinds}
    assert set(workloads.REFUSED) < kinds
    contents = [content for name, content in files if "-" not in name]
    assert len(set(contents)) == len(contents)


# Checks of the other tools


@pytest.mark.parametrize("key", WORKLOADS)
def test_the_other_tools_check_the_same_functions(key):
    workload = WORKLOADS[key]
    made = workloads.material(workload.rubric_folder)
    assert list(checks.CHECKS[workload.rubric]) == list(made.cells)


@pytest.mark.parametrize("check", [c for some in checks.CHECKS.values() for c in some.values()])
def test_a_check_stands_alone(check):
    source = checks.source(check)
    assert source.startswith(f"def {check.__name__}(env):\n")
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert not names & {"Names", "Any", "CHECKS"}


def notebook_names(change: str = "") -> dict[str, object]:
    """The names of the statistics reference, or with one of its answers replaced."""
    made = workloads.material(WORKLOADS["a"].rubric_folder)
    names: dict[str, object] = {}
    for cell in made.solved.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)  # noqa: S102 - the reference's own code
    for question, cases in made.cases.items():
        for case in cases:
            if f"{question}: {case.name}" == change:
                exec(case.sources[0], names)  # noqa: S102 - an answer of the rubric's
                return names
    assert not change, f"there is no {change}"
    return names


def test_the_checks_pass_the_reference_and_fail_a_mistake():
    for check in checks.CHECKS["statistics1"].values():
        check(notebook_names())
    wrong = notebook_names("1.1.b: covariances")
    with pytest.raises(AssertionError):
        checks.CHECKS["statistics1"]["1.1.b"](wrong)


def test_an_nbgrader_notebook_has_the_test_of_each_answer_after_it():
    made = workloads.material(WORKLOADS["b"].rubric_folder)
    notebook = nbgrader_course.with_tests(WORKLOADS["b"], made, made.solved)
    marks = [cell.metadata["nbgrader"] for cell in notebook.cells if "nbgrader" in cell.metadata]
    tests = [mark for mark in marks if mark["grade"]]
    for before, mark in pairwise(marks):
        if mark["grade"]:
            assert before["grade_id"].rpartition("-")[0] == mark["grade_id"].replace("test-", "answer-")
            assert before["solution"]
    assert all(re.fullmatch(r"[\w-]+", mark["grade_id"]) for mark in marks), "nbgrader refuses other names"
    code = [q for q in made.assignment.questions if q.kind == "code" and q.id not in WORKLOADS["b"].left_out]
    assert [mark["points"] for mark in tests] == [question.points for question in code]
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            compile(cell.source, "test", "exec")


def test_an_otter_test_file_is_a_python_file_with_the_points():
    check = checks.CHECKS["statistics1"]["1.1.a"]
    file = otter_course.test_file("1.1.a", check, 1.5)
    assert "check_standardise" in {getattr(node, "name", "") for node in ast.parse(file).body}
    assert 'name = "q1_1_a"\npoints = 1.5' in file


# Bare student code


def test_bare_code_goes_on_after_an_error_and_an_exit(tmp_path):
    sources = ["%matplotlib inline\nx = 1", "y = x + undefined", "exit()", "import sys\nsys.exit(3)", "z = x"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, tmp_path / "one.ipynb")
    assert bare.run(bare.code_cells(tmp_path / "one.ipynb")) == 3


# Measuring


def test_what_commands_end_with_is_kept(tmp_path):
    def command(code: str) -> measure.Command:
        return measure.Command([sys.executable, "-c", code], tmp_path, tmp_path / "log")

    lanes = [[command("print('one')"), command("raise SystemExit(3)")], [command("print('two')")]]
    measured = measure.run(lanes, {}, timeout=60)
    assert [[ended.status for ended in lane] for lane in measured.lanes] == [[0, 3], [0]]
    assert sorted((tmp_path / "log").read_text().split()) == ["one", "two"]
    assert measured.cpu > 0


def test_what_runs_too_long_is_ended(tmp_path):
    command = measure.Command([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path, tmp_path / "log")
    measured = measure.run([[command, command]], {}, timeout=0.2)
    assert [ended.status for ended in measured.lanes[0]] == [-9]


def test_cpu_time_is_interpolated():
    measured = measure.Measured(started=0.0, wall=4.0, cpu=6.0, cpu_at=[(1.0, 2.0), (2.0, 3.0)])
    moments = {0.0: 0.0, 0.5: 1.0, 1.0: 2.0, 1.5: 2.5, 3.0: 4.5, 4.0: 6.0, 9.0: 6.0}
    assert {moment: measured.cpu_until(moment) for moment in moments} == moments


# Summing up


def done(name: str, end: float, seconds: float | None = 1.0, cpu: float | None = None) -> Done:
    return Done(name, end, seconds, 4.0, cpu)


def run_with(tool: str, ends: list[float], **values: float) -> Run:
    measured = measure.Measured(started=0.0, wall=ends[-1], cpu=2 * ends[-1], peak=1)
    some = [done(f"s{i}", end, cpu=values.get("cpu")) for i, end in enumerate(ends)]
    return run_of("a", TOOLS[tool], 0, 2, measured, some)


def test_the_start_ends_when_each_lane_has_graded_one():
    found = run_with("grader", [5.0, 6.0, 7.0, 8.0])
    assert (found.started, found.start_wall, found.start_cpu, found.rest_wall) == (2, 6.0, 12.0, 2.0)
    assert found.end_cpu == 16.0


def test_a_command_for_each_submission_has_no_start_of_its_own():
    found = run_with("otter", [5.0, 6.0, 10.0])
    assert (found.started, found.start_wall, found.rest_wall) == (0, 0.0, 10.0)


def test_runs_are_summed_up_by_submission():
    alone = summary.bare_cpu([run_with("bare", [1.0, 2.0, 3.0, 4.0], cpu=0.5)])
    assert alone == {"s0": 0.5, "s1": 0.5, "s2": 0.5, "s3": 0.5}
    found = summarise([run_with("grader", [5.0, 6.0, 7.0, 8.0])] * 2, alone)
    assert found.submissions == 8
    assert (found.a_minute, found.a_minute_whole, found.start) == (60.0, 30.0, 6.0)
    assert (found.cpu, found.bare, found.over_bare, found.share) == (2.0, 0.5, 1.5, 0.25)


def one_summary(workload: str, tool: str, a_minute: float, cpu: float = 1.0, alone: float | None = 0.9) -> Summary:
    return Summary(workload, tool, 10, 1.0, a_minute, a_minute, 0.0, cpu, alone, 1, True, 4.0)


def test_promises_are_judged_and_what_was_not_promised_is_only_shown():
    rows = [
        one_summary("a", "grader", 80.0),
        one_summary("a", "nbgrader", 10.0),
        one_summary("a", "nbgrader-parts", 20.0),
        one_summary("a", "otter", 4.1),
        one_summary("c", "grader", 10.0, cpu=1.25, alone=1.0),
        one_summary("c", "bare", 12.0, cpu=1.0, alone=1.0),
    ]
    judged = targets({(row.workload, row.tool): row for row in rows})
    assert [(one.wanted, one.found, one.kept) for one in judged] == [
        ("at least 8", "8.0", True),
        ("", "4.0", True),
        ("at least 20", "19.5", False),
        ("under 0.3", "0.10", True),
        ("at most 10%", "25.0%", False),
        ("at most 10%", "20.0%", False),
    ]
    lines = page.target_table(judged, cores=2).splitlines()
    assert [line.split(" | ")[1:] for line in lines[3:5]] == [["–", "4.0", " |"], ["at least 20", "19.5", "**no** |"]]


def test_tools_take_turns_on_the_same_notebooks():
    settings = run.Settings(["a"], ["grader", "otter"], repeats=2, seed=1, submissions=None)
    found = [(turn.tool, turn.first) for turn in run.turns(settings)]
    most = run.SIZES["a"]["grader"]
    assert found == [("grader", 0), ("otter", 0), ("otter", most), ("grader", most)]
    assert {turn.size for turn in run.turns(run.Settings(["a"], ["grader", "otter"], 1, 1, 3))} == {3}


def test_a_run_survives_being_stored(tmp_path):
    settings = {"seed": 1}
    found = run_with("grader", [5.0, 6.0, 7.0])
    run.Stored(tmp_path / "run.json", settings, resume=False).add("a-0-grader", found)
    assert run.Stored(tmp_path / "run.json", settings, resume=True).runs == {"a-0-grader": found}
    assert run.Stored(tmp_path / "run.json", settings, resume=False).runs == {}
    with pytest.raises(SystemExit, match="other settings"):
        run.Stored(tmp_path / "run.json", {"seed": 2}, resume=True)


def test_a_tool_whose_checks_refuse_the_reference_is_named():
    found = {"done": [{"name": "s000", "points": 3.0}, {"name": "s001", "points": 1.0}], "workload": "a"}
    right = {"done": [{"name": "s000", "points": 4.0}], "workload": "a"}
    results = {"runs": {"one": {**found, "tool": "otter"}, "other": {**right, "tool": "grader"}}}
    assert run.wrong_points(results) == ["(a) otter: 3 of 4 points for the reference"]


def test_results_go_between_the_marks(tmp_path):
    path = tmp_path / "README.md"
    begin, end = page.marks("run.py")
    path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for text in ("new", "newer \\1"):
        page.into_readme(path, "run.py", text)
        assert path.read_text() == f"before\n{begin}\n\n{text}\n\n{end}\nafter\n"
    with pytest.raises(ValueError, match="not there"):
        page.into_readme(path, "scale.py", "new")


def test_the_readme_has_a_place_for_each_script():
    text = (Path(page.__file__).parent / "README.md").read_text()
    for script in ("run.py", "scale.py"):
        assert [text.count(mark) for mark in page.marks(script)] == [1, 1]


def test_a_table_has_a_row_for_each_tool_and_the_overhead():
    rows = [one_summary("a", "grader", 80.0), one_summary("a", "bare", 90.0, alone=0.9)]
    lines = page.table({(row.workload, row.tool): row for row in rows}, cores=2).splitlines()
    assert [line.split(" | ")[0] for line in lines[4:]] == [
        "| student code alone, 2 at a time",
        "| this harness, `grader grade -j 2`",
        "| **the harness's own cost**",
    ]
    assert len({line.count("|") for line in lines[2:]}) == 1


# The large run


def test_a_straight_line_is_found_in_the_ends():
    slope, intercept, deviation = scale.line([12.0, 14.0, 16.0, 18.0])
    assert (round(slope, 9), round(intercept, 9), round(deviation, 9)) == (2.0, 10.0, 0.0)


def test_the_last_tenth_is_compared_with_the_first():
    assert scale.first_and_last([1.0] * 20 + [2.0, 9.0, 3.0]) == (1.0, 6.0)
    assert scale.first_and_last([4.0]) == (4.0, 4.0)


def test_memory_is_summed_up_by_thirds():
    assert scale.thirds([1, 1, 5, 5, 9, 9]) == [1.0, 5.0, 9.0]
    assert scale.thirds([1, 2]) == [0.0, 0.0, 0.0]
