"""What the names of each site's download say, in all forms that are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.results.classlist import Site
from grader.sites.archive import Contents, Refusal, Unpacked
from grader.sites.handins import Person, sort_by_hand_in
from grader.sites.importing import FORMATS


def people(site: Site, *names: str) -> list[Person]:
    contents = Contents(files=[Unpacked(tuple(name.split("/")), Path(name), 0) for name in names])
    found = sort_by_hand_in(contents, FORMATS[site])
    assert found.refused == []
    return FORMATS[site].people(found.hand_ins)


# name in the download: person, ids, time as written, late, name of the feedback, file
KNOWN: dict[tuple[Site, str], tuple[object, ...]] = {
    ("brightspace", "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/hw 1.ipynb"): (
        "Jane Smith",
        {"numbers": "39786-640693"},
        "Oct 10, 2025 1022 AM",
        None,
        "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/",
        "hw 1.ipynb",
    ),
    ("brightspace", "39786-640693 - Smith-Jones - Van Dyke - 10 October, 2025 22:15/hw.ipynb"): (
        "Smith-Jones - Van Dyke",
        {"numbers": "39786-640693"},
        "10 October, 2025 22:15",
        None,
        "39786-640693 - Smith-Jones - Van Dyke - 10 October, 2025 22:15/",
        "hw.ipynb",
    ),
    ("brightspace", "39786-640693 - Jane Smith - week 5 - hw.ipynb"): (
        "Jane Smith",
        {"numbers": "39786-640693"},
        "",
        None,
        "39786-640693 - Jane Smith - ",
        "week 5 - hw.ipynb",
    ),
    ("brightspace", "39786-640693 - Jane Smith - Dec 5, 2024 1149 AM - a - b.ipynb"): (
        "Jane Smith",
        {"numbers": "39786-640693"},
        "Dec 5, 2024 1149 AM",
        None,
        "39786-640693 - Jane Smith - Dec 5, 2024 1149 AM - ",
        "a - b.ipynb",
    ),
    ("brightspace", "39786-640693 - jsmith2 - Jane Smith - Oct 10, 2025 1022 AM/hw.ipynb"): (
        "Jane Smith",
        {"numbers": "39786-640693", "username": "jsmith2"},
        "Oct 10, 2025 1022 AM",
        None,
        "39786-640693 - jsmith2 - Jane Smith - Oct 10, 2025 1022 AM/",
        "hw.ipynb",
    ),
    ("brightspace", "jsmith - 39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/hw.ipynb"): (
        "Jane Smith",
        {"numbers": "39786-640693", "username": "jsmith"},
        "Oct 10, 2025 1022 AM",
        None,
        "jsmith - 39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/",
        "hw.ipynb",
    ),
    ("brightspace", "jsmith - Jane Smith - Oct 10, 2025 1022 AM/hw.ipynb"): (
        "Jane Smith",
        {"username": "jsmith"},
        "Oct 10, 2025 1022 AM",
        None,
        "jsmith - Jane Smith - Oct 10, 2025 1022 AM/",
        "hw.ipynb",
    ),
    ("brightspace", "39786-640693 - Jane Smith - 2025年10月10日 1022/hw.ipynb"): (
        "Jane Smith",
        {"numbers": "39786-640693"},
        "2025年10月10日 1022",
        None,
        "39786-640693 - Jane Smith - 2025年10月10日 1022/",
        "hw.ipynb",
    ),
    ("canvas", "smithjane_640693_9876543_home_work.ipynb"): (
        "smithjane",
        {"user": "640693", "attachment": "9876543"},
        "",
        False,
        "smithjane_640693_9876543_",
        "home_work.ipynb",
    ),
    ("canvas", "smithjane_LATE_640693_9876543_hw-1.ipynb"): (
        "smithjane",
        {"user": "640693", "attachment": "9876543"},
        "",
        True,
        "smithjane_LATE_640693_9876543_",
        "hw-1.ipynb",
    ),
    ("canvas", "anon_640693_9876543_hw.ipynb"): (
        "",
        {"user": "640693", "attachment": "9876543"},
        "",
        False,
        "anon_640693_9876543_",
        "hw.ipynb",
    ),
    ("canvas", "smithjane_640693_text.html"): (
        "smithjane",
        {"user": "640693"},
        "",
        False,
        "smithjane_640693_",
        "text.html",
    ),
    ("moodle", "Jane Smith_123456_assignsubmission_file/hw_1.ipynb"): (
        "Jane Smith",
        {"participant": "123456"},
        "",
        None,
        "Jane Smith_123456_assignsubmission_file/",
        "hw_1.ipynb",
    ),
    ("moodle", "Jane Smith_123456_assignsubmission_file_/hw.ipynb"): (
        "Jane Smith",
        {"participant": "123456"},
        "",
        None,
        "Jane Smith_123456_assignsubmission_file_/",
        "hw.ipynb",
    ),
    ("moodle", "Jane Smith_123456_assignsubmission_file_hw_1.ipynb"): (
        "Jane Smith",
        {"participant": "123456"},
        "",
        None,
        "Jane Smith_123456_assignsubmission_file_",
        "hw_1.ipynb",
    ),
    ("moodle", "Participant_123456_assignsubmission_file/hw.ipynb"): (
        "",
        {"participant": "123456"},
        "",
        None,
        "Participant_123456_assignsubmission_file/",
        "hw.ipynb",
    ),
}


@pytest.mark.parametrize("outer", ["", "Homework 1/", "Download/Homework 1/"], ids=["bare", "outer", "two outer"])
@pytest.mark.parametrize(("known", "said"), KNOWN.items(), ids=[f"{site}: {name}"[:60] for site, name in KNOWN])
def test_every_known_form_is_read(known: tuple[Site, str], said: tuple[object, ...], outer: str) -> None:
    site, name = known
    (person,) = people(site, outer + name)
    (hand_in,) = person.hand_ins
    place, (given,) = hand_in.place, hand_in.files
    prefix = place.folder if place.flat else f"{place.folder}/"
    assert (person.name, dict(place.ids), place.submitted, place.late, prefix, given.name) == said


@pytest.mark.parametrize("site", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_no_site_takes_the_names_of_another(site: Site, other: Site) -> None:
    if site != other:
        names = [name for owner, name in KNOWN if owner == other]
        contents = Contents(files=[Unpacked(tuple(name.split("/")), Path(name), 0) for name in names])
        assert sort_by_hand_in(contents, FORMATS[site]).hand_ins == []


def brightspace(*hand_ins: str) -> list[tuple[str, str, int]]:
    """Name, number and count of hand-ins of each person, from `number-number name minute`."""
    names = []
    for number, hand_in in enumerate(hand_ins):
        numbers, name = hand_in.split(" ", 1)
        names.append(f"{numbers} - {name} - Oct 10, 2025 10{number:02} AM/hw.ipynb")
    return [(person.name, person.ids.get("user", ""), len(person.hand_ins)) for person in people("brightspace", *names)]


WHO = {
    "the second number is the person's": (
        ["1-10 Jane", "1-11 Ravi", "1-10 Jane"],
        [("Jane", "10", 2), ("Ravi", "11", 1)],
    ),
    "the first number is the person's": (
        ["10-1 Jane", "11-1 Ravi", "10-1 Jane"],
        [("Jane", "10", 2), ("Ravi", "11", 1)],
    ),
    "the other number is the hand-in's": (
        ["10-1 Jane", "11-2 Ravi", "10-3 Jane"],
        [("Jane", "10", 2), ("Ravi", "11", 1)],
    ),
    "two of one name": (["1-10 Sam", "1-11 Sam", "1-12 Ravi"], [("Sam", "10", 1), ("Sam", "11", 1), ("Ravi", "12", 1)]),
    "neither number tells": (["1-2 Jane", "1-2 Ravi", "1-2 Jane"], [("Jane", "", 2), ("Ravi", "", 1)]),
    "names that differ by case": (["1-2 Jane", "1-2 jane"], [("Jane", "", 1), ("jane", "", 1)]),
}


@pytest.mark.parametrize(("hand_ins", "who"), WHO.values(), ids=WHO)
def test_whose_a_hand_in_is(hand_ins: list[str], who: list[tuple[str, str, int]]) -> None:
    assert brightspace(*hand_ins) == who


def test_a_folder_within_a_hand_in_passes_for_nobody_elses() -> None:
    jane = "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM"
    contents = Contents(
        files=[
            Unpacked((jane, "hw.ipynb"), Path("1"), 0),
            Unpacked(("odd folder", "39786-640694 - Ravi Patel - Oct 11, 2025 1022 AM", "hw.ipynb"), Path("2"), 0),
            Unpacked((jane.replace("Jane Smith", "Max"), jane, "hw.ipynb"), Path("3"), 0),
        ]
    )
    found = sort_by_hand_in(contents, FORMATS["brightspace"])
    assert [(hand_in.place.person, len(hand_in.files)) for hand_in in found.hand_ins] == [("Jane Smith", 1), ("Max", 1)]
    assert found.refused == [
        "odd folder/39786-640694 - Ravi Patel - Oct 11, 2025 1022 AM/hw.ipynb: is not part of any hand-in"
    ]


def test_all_hand_ins_lie_in_one_folder() -> None:
    names = [f"39786-64069{number} - Jane Smith - Oct 10, 2025 1022 AM" for number in range(3)]
    contents = Contents(
        files=[Unpacked(("Homework 1" if name != names[0] else "x", name, "hw.ipynb"), Path(name), 0) for name in names]
    )
    found = sort_by_hand_in(contents, FORMATS["brightspace"])
    assert [hand_in.place.folder for hand_in in found.hand_ins] == names[1:]
    assert found.refused == [f"x/{names[0]}/hw.ipynb: is not part of any hand-in"]


def test_who_handed_in_only_what_is_refused_is_still_there() -> None:
    name = "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/hw.ipynb"
    found = sort_by_hand_in(Contents(refused=[Refusal((name,), "is a link, not a file")]), FORMATS["brightspace"])
    (hand_in,) = found.hand_ins
    assert (hand_in.files, hand_in.refused) == ([], ["hw.ipynb: is a link, not a file"])
    assert found.refused == [f"{name}: is a link, not a file"]


def test_the_sites_own_files_are_passed_over() -> None:
    names = ["index.html", "39786-640693 - Jane Smith - Oct 10, 2025 1022 AM/index.html"]
    (person,) = people("brightspace", *names)
    assert [given.name for given in person.hand_ins[0].files] == ["index.html"]
