"""Who is at which group, and for how long."""

from __future__ import annotations

from grader.desk.leases import GRACE, SECONDS, Leases

PLACE = ("1.1.c", "g")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_one_has_nobody_else_gets_until_it_is_given_back() -> None:
    leases = Leases(Clock())
    assert leases.take("Ada", PLACE)
    assert not leases.take("Bob", PLACE)
    assert leases.take("Ada", PLACE)
    leases.release("Bob", PLACE)
    assert leases.holder(PLACE) == "Ada"
    leases.release("Ada", PLACE)
    assert leases.take("Bob", PLACE)


def test_a_lease_lapses_unless_it_is_taken_again() -> None:
    clock = Clock()
    leases = Leases(clock)
    leases.take("Ada", PLACE)
    clock.now = SECONDS - 1
    leases.take("Ada", PLACE)
    clock.now = SECONDS + 1
    assert leases.holder(PLACE) == "Ada"
    clock.now = 2 * SECONDS
    assert leases.holder(PLACE) is None
    assert list(leases.all()) == []
    assert leases.take("Bob", PLACE)


def test_with_the_last_page_leases_lapse_soon_but_not_while_the_next_one_loads() -> None:
    clock = Clock()
    leases = Leases(clock)
    leases.page_opened("Ada")
    leases.page_opened("Ada")
    leases.take("Ada", PLACE)
    leases.page_closed("Ada")
    clock.now = GRACE + 1
    assert leases.holder(PLACE) == "Ada", "another page is open"
    leases.page_closed("Ada")
    assert leases.present() == []
    leases.page_opened("Ada")
    clock.now = 3 * GRACE
    assert leases.holder(PLACE) == "Ada", "it was loaded anew"
    leases.page_closed("Ada")
    clock.now = 5 * GRACE
    assert leases.holder(PLACE) is None


def test_somebody_may_be_at_several_groups() -> None:
    leases = Leases(Clock())
    assert leases.take("Ada", PLACE)
    assert leases.take("Ada", ("1.1.e", "h"))
    assert sorted(lease.place for lease in leases.all()) == [PLACE, ("1.1.e", "h")]
