"""Whatever reaches the trusted side ends in a result or a documented error, within its time and memory."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from fuzz.attempts import CPU_SECONDS, MEMORY_BYTES, Target, attempt, attempts, made
from fuzz.targets import TARGETS

SEED = "grader"
COUNTS = {"notebook": 2_000, "wire": 20_000, "scorefile": 2_000, "download": 500, "gradebook": 2_000}
PARTS = 10
KEPT = Path(__file__).resolve().parent.parent / "data" / "fuzz"
"""Inputs that once broke something or took long: `<target>/<what it is>`."""

targets = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@targets
@pytest.mark.parametrize("part", range(PARTS))
def test_damaged_input_ends_in_a_result_or_in_a_documented_error(target: Target, part: int) -> None:
    numbers = range(part, COUNTS[target.name], PARTS)
    broken = [outcome for _, outcome in attempts(target, SEED, numbers) if outcome is not None]
    assert broken == [], "\n".join(map(str, broken[:5]))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param(target, path, id=f"{target.name}-{path.stem}")
        for target in TARGETS
        for path in sorted((KEPT / target.name).glob("*"))
    ],
)
def test_what_broke_once_stays_mended(target: Target, path: Path) -> None:
    assert attempt(target, path.read_bytes()) is None


# The fuzzing itself


@targets
def test_the_same_seed_makes_the_same_inputs_and_another_one_others(target: Target) -> None:
    seeds = target.seeds()
    once = [made(target, seeds, "1", number) for number in range(20)]
    assert once == [made(target, seeds, "1", number) for number in range(20)]
    assert once != [made(target, seeds, "2", number) for number in range(20)]


@targets
def test_what_is_not_damaged_is_read(target: Target) -> None:
    for seed in target.seeds():
        data = b"v" + seed if target.name == "wire" else seed
        assert attempt(target, data) is None


@targets
def test_some_of_the_damage_is_noticed_and_some_is_read(target: Target) -> None:
    outcomes = set()
    for number in range(60):
        try:
            target.read(made(target, target.seeds(), SEED, number))
        except target.documented:
            outcomes.add("refused")
        else:
            outcomes.add("read")
    assert outcomes == {"refused", "read"}


def never_ends(data: bytes) -> None:
    while True:
        try:
            data += data[:1]
        except Exception:
            continue


def fills_the_memory(data: bytes) -> None:
    assert len([None] * (MEMORY_BYTES // 8 + 2**20)) > len(data)


def says_two_lines(data: bytes) -> None:
    raise ValueError("one\ntwo")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        pytest.param(never_ends, "does not end", id="endless"),
        pytest.param(fills_the_memory, "of memory", id="memory"),
        pytest.param(says_two_lines, "not one line", id="message"),
        pytest.param(lambda data: {}[data], "KeyError", id="undocumented"),
        pytest.param(lambda data: None, "", id="right"),
    ],
)
def test_what_breaks_is_told(monkeypatch: pytest.MonkeyPatch, read: object, said: str) -> None:
    assert callable(read)
    if read is never_ends:
        monkeypatch.setattr("fuzz.attempts.CPU_SECONDS", CPU_SECONDS / 20)
    outcome = attempt(Target("it", "", lambda: [b""], lambda random, seeds: b"", read, (ValueError,)), b"x")
    assert (said in outcome.what) if outcome else (said == "")


def test_a_run_goes_on_over_as_many_inputs_as_are_wanted() -> None:
    assert [number for number, _ in islice(attempts(TARGETS[2], "1", iter(range(5, 10**9))), 3)] == [5, 6, 7]
