"""Downloads of a course site in which one of two people hands in something hostile; the other's is in it, too."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from zipfile import ZipFile, ZipInfo

from hostile.entry import ALL, Hostile, Points
from sites.downloads import JANE, PDF, RAVI, add_link, bomb_bytes, moodle_folder, notebook_bytes, zip_bytes

NOBODY: tuple[Points, ...] = (None, None, None)
"""What was handed in is no notebook, which is said in a line; nothing is graded."""
HERE = f"{moodle_folder(RAVI)}/"
CANARY = "canary-3b1f0c9e"
RIGHT = notebook_bytes()


def entries(files: dict[str, bytes], gets: tuple[Points, ...] = NOBODY, here: str = HERE) -> Hostile:
    def write(archive: ZipFile) -> None:
        for name, data in files.items():
            archive.writestr(ZipInfo(here + name), data)

    return Hostile(write, gets)


def by(write: Callable[[ZipFile], None], gets: tuple[Points, ...] = NOBODY) -> Hostile:
    return Hostile(write, gets)


def special(kind: int) -> Hostile:
    def write(archive: ZipFile) -> None:
        entry = ZipInfo(f"{HERE}homework.ipynb")
        entry.create_system = 3
        entry.external_attr = (kind | 0o644) << 16
        archive.writestr(entry, "/etc/passwd")

    return Hostile(write, NOBODY)


def zipped(levels: int) -> bytes:
    data = zip_bytes({"homework.ipynb": RIGHT})
    for _ in range(levels):
        data = zip_bytes({"inner.zip": data})
    return data


def twice(archive: ZipFile) -> None:
    for _ in range(2):
        archive.writestr(ZipInfo(f"{HERE}homework.ipynb"), RIGHT)


def absolute(archive: ZipFile) -> None:
    for name in (f"/tmp/{CANARY}.ipynb", f"C:\\{CANARY}.ipynb", f"//host/{CANARY}.ipynb", f"{HERE}homework.ipynb"):
        archive.writestr(ZipInfo(name), RIGHT)


def through_a_link(archive: ZipFile) -> None:
    add_link(archive, f"{HERE}sub", "/tmp")
    archive.writestr(f"{HERE}sub/{CANARY}.ipynb", RIGHT)


def many_entries(archive: ZipFile) -> None:
    archive.writestr(ZipInfo(f"{HERE}homework.zip"), zip_bytes({f"{number}.txt": b"" for number in range(20_000)}))
    archive.writestr(ZipInfo(f"{HERE}homework.ipynb"), RIGHT)


def packed(archive: ZipFile) -> None:
    archive.writestr(f"{HERE}homework.ipynb", RIGHT, compress_type=zipfile.ZIP_LZMA)


ARCHIVES: dict[str, Hostile] = {
    "path-upwards": entries({f"../../{CANARY}.ipynb": RIGHT, "homework.pdf": PDF}),
    "path-upwards-beside-a-notebook": entries({f"../../{CANARY}.ipynb": RIGHT, "homework.ipynb": RIGHT}, ALL),
    "path-with-backslashes": entries({f"..\\..\\{CANARY}.ipynb": RIGHT, "homework.ipynb": RIGHT}, ALL),
    "absolute-path": by(absolute, ALL),
    "link-to-a-file": by(lambda archive: add_link(archive, f"{HERE}homework.ipynb", "/etc/passwd")),
    "link-to-a-folder": by(through_a_link, ALL),
    "pipe": special(stat.S_IFIFO),
    "device": special(stat.S_IFCHR),
    "socket": special(stat.S_IFSOCK),
    "bomb": entries({"homework.zip": bomb_bytes()}),
    "bomb-as-a-notebook": by(
        lambda archive: archive.writestr(f"{HERE}homework.ipynb", bytes(40 * 2**20), zipfile.ZIP_DEFLATED)
    ),
    "zips-in-zips": entries({"homework.zip": zipped(30)}),
    "zip-in-a-zip": entries({"homework.zip": zip_bytes({"a/homework.ipynb": RIGHT})}, ALL),
    "many-entries": by(many_entries, ALL),
    "the-same-name-twice": by(twice, ALL),
    "names-that-differ-by-case": entries({"Homework.ipynb": RIGHT, "homework.ipynb": RIGHT}, ALL),
    "names-of-no-text": entries({"home\nwork\u202e.ipynb": RIGHT}, ALL),
    "folder-of-another": entries({f"{moodle_folder(JANE)}/homework.ipynb": b"{}"}, ("any", "any", "any")),
    "names-of-results": entries({"class.json": b"{}", "grades.csv": b"", "homework.ipynb": RIGHT}, ALL),
    "packed-otherwise": by(packed),
    "broken-zip": entries({"homework.zip": zip_bytes({"homework.ipynb": RIGHT})[:-30]}),
    "no-notebook": entries({"homework.ipynb": b"\0" * 1000}, ("any", "any", "any")),
}
