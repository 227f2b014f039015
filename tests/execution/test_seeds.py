"""What is drawn in the sandbox follows from the seed of a grading, and the seed does not follow from it."""

from __future__ import annotations

from collections.abc import Callable

from grader.execution.checkpoints import Checkpoints
from grader.execution.seeds import OpenSeed, seed_inside, seed_of

SEED = 727_272_727_272_727

FIND = """
import gc, random, sys
import grader.inside.checkpoint as checkpoint
drawn = random.random()
def found():
    "All numbers in all frames, those of the kernel and of the probe included."
    numbers, frame = set(), sys._getframe()
    while frame:
        numbers |= {value for value in frame.f_locals.values() if type(value) is int}
        for value in list(frame.f_locals.values()):
            if isinstance(value, dict):
                numbers |= {one for one in value.values() if type(one) is int}
        frame = frame.f_back
    return numbers
IN_KERNEL = found()
"""


def test_the_seed_of_a_grading_and_that_of_a_check_stay_outside(run: Callable[..., Checkpoints]) -> None:
    checkpoints = run(FIND, seed=SEED)
    check = seed_of(SEED, "a check")
    namespace = checkpoints.namespace("0", seed=check)
    numbers = namespace.eval("IN_KERNEL | found()")
    namespace._close()
    assert numbers.isdisjoint({SEED, check})
    # But what they are seeded by is there to be found.
    assert seed_inside(SEED) in numbers


def test_two_notebooks_draw_alike_and_two_checks_do_not(run: Callable[..., Checkpoints]) -> None:
    def draws(seed: int) -> list[float]:
        checkpoints = run(FIND, seed=SEED)
        namespace = checkpoints.namespace("0", seed=seed)
        values = [namespace.drawn, namespace.eval("random.random()")]
        namespace._close()
        return values

    one, again, other = draws(1), draws(1), draws(2)
    assert one == again
    assert one[0] == other[0]
    assert one[1] != other[1]


def test_seeds_inside_are_as_many_and_fit_every_library() -> None:
    inside = {seed_inside(seed) for seed in range(100)}
    assert len(inside) == 100
    assert all(0 <= seed < 2**56 for seed in inside)
    assert inside.isdisjoint({seed_of(seed, name) for seed in range(100) for name in ("", "inside the sandbox")})


def test_an_open_seed_is_its_own_and_its_checks_are_open() -> None:
    assert seed_inside(OpenSeed(5)) == 5
    assert seed_inside(seed_of(OpenSeed(5), "a check")) == seed_of(5, "a check")
