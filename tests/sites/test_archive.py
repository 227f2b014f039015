"""A download is opened safely: nothing leads out of it, nothing fills the disk, and what is refused costs one line."""

from __future__ import annotations

import io
import os
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites.downloads import add_link, zip_bytes

from grader.results.classlist import SiteError
from grader.sites.archive import Contents, Limits, unpack

SMALL = Limits(
    file_bytes=200_000,
    total_bytes=1_000_000,
    entries=50,
    ratio_from=10_000,
    depth=2,
    nested_bytes=300_000,
    nested_entries=10,
    nested_directory_bytes=2_000,
)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Contents]:
    """Unpacks a zip of these files, or a path."""

    def unpacked(files: dict[str, bytes] | Path, limits: Limits = SMALL) -> Contents:
        into = tmp_path / "into"
        into.mkdir()
        if not isinstance(files, Path):
            download = tmp_path / "download.zip"
            download.write_bytes(zip_bytes(files))
            files = download
        return unpack(files, into, limits)

    return unpacked


def names(contents: Contents) -> list[str]:
    return ["/".join(unpacked.path) for unpacked in contents.files]


def refused(contents: Contents) -> list[str]:
    return [str(refusal) for refusal in contents.refused]


def test_files_come_out_as_they_went_in_under_numbers(opened: Callable[..., Contents], tmp_path: Path) -> None:
    contents = opened({"a/hw.ipynb": b"{}", "a/b/data.csv": b"1,2"})
    assert names(contents) == ["a/hw.ipynb", "a/b/data.csv"]
    assert [unpacked.file.read_bytes() for unpacked in contents.files] == [b"{}", b"1,2"]
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == ["000001", "000002"]


OUT_OF_THE_DOWNLOAD = {
    "../evil": "..",
    "a/../../evil": "..",
    "a/..": "..",
    "..\\evil": "..",
    "a\\..\\..\\evil": "..",
    "/etc/evil": "absolute",
    "//host/evil": "absolute",
    "\\\\host\\evil": "absolute",
    "C:\\evil": "absolute",
    "c:evil": "absolute",
    "x" * 3000: "too long",
}


@pytest.mark.parametrize(("name", "why"), OUT_OF_THE_DOWNLOAD.items(), ids=lambda text: ascii(text)[:20])
def test_a_path_that_leads_out_is_refused_and_the_rest_goes_on(
    opened: Callable[..., Contents], name: str, why: str
) -> None:
    contents = opened({name: b"evil", "fine": b"fine"})
    assert names(contents) == ["fine"]
    (line,) = refused(contents)
    assert why in line
    assert len(line) < 400


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "é", "C:", "\\", "..\\..", "/", "~", "aux", "x" * 90, "\u202e", "\n", "._x"]),
    min_size=1,
    max_size=6,
).map("/".join) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_no_name_leads_anywhere(entries: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "into").mkdir()
        with zipfile.ZipFile(top / "download.zip", "w") as archive:
            for name in entries:
                archive.writestr(zipfile.ZipInfo(name), b"content")
        contents = unpack(top / "download.zip", top / "into", SMALL)
        assert {path.name for path in top.iterdir()} == {"into", "download.zip"}
        written = sorted((top / "into").iterdir())
        assert written == sorted(unpacked.file for unpacked in contents.files)
        assert all(path.name.isdecimal() and path.read_bytes() == b"content" for path in written)
    for unpacked in contents.files:
        assert unpacked.path
        assert not any(part in ("", ".", "..") or set(part) & set("/\\\0") for part in unpacked.path)
    assert len(contents.files) + len(contents.folders) + len(contents.refused) <= len(entries)


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=300))
def test_a_damaged_zip_is_refused_in_one_line_or_in_parts(noise: bytes, at: int) -> None:
    data = bytearray(zip_bytes({"a.ipynb": b"{}" * 20, "b.zip": zip_bytes({"c.ipynb": b"{}"})}))
    data[at : at + len(noise)] = noise
    with tempfile.TemporaryDirectory() as folder:
        download = Path(folder, "download.zip")
        download.write_bytes(data)
        into = Path(folder, "into")
        into.mkdir()
        try:
            contents = unpack(download, into, SMALL)
        except SiteError as error:
            faults = error.faults
        else:
            faults = []
            assert sorted(into.iterdir()) == sorted(unpacked.file for unpacked in contents.files)
        assert len(faults) <= 1


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK], ids=lambda kind: f"{kind:o}"
)
def test_links_and_devices_in_a_zip_are_refused(opened: Callable[..., Contents], tmp_path: Path, kind: int) -> None:
    download = tmp_path / "special.zip"
    with zipfile.ZipFile(download, "w") as archive:
        add_link(archive, "hw.ipynb", "/etc/passwd")
        archive.infolist()[0].external_attr = (kind | 0o644) << 16
        archive.writestr("fine", b"")
    contents = opened(download)
    assert names(contents) == ["fine"]
    assert refused(contents) == [
        f"hw.ipynb: is {'a link, not a file' if kind == stat.S_IFLNK else 'a pipe or a device, not a file'}"
    ]


def test_links_and_pipes_in_a_folder_are_refused(opened: Callable[..., Contents], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.ipynb").write_text("secret")
    download = tmp_path / "download"
    download.mkdir()
    (download / "to-file.ipynb").symlink_to(outside / "secret.ipynb")
    (download / "to-folder").symlink_to(outside)
    (download / "broken").symlink_to(tmp_path / "nothing")
    os.mkfifo(download / "pipe.ipynb")
    (download / "fine.ipynb").write_text("{}")
    contents = opened(download)
    assert names(contents) == ["fine.ipynb"]
    assert refused(contents) == [
        "broken: is a link, not a file",
        "pipe.ipynb: is a pipe or a device, not a file",
        "to-file.ipynb: is a link, not a file",
        "to-folder: is a link, not a file",
    ]


def test_an_encrypted_entry_is_refused(opened: Callable[..., Contents], tmp_path: Path) -> None:
    data = bytearray(zip_bytes({"hw.ipynb": b"{}", "fine": b""}))
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    download = tmp_path / "encrypted.zip"
    download.write_bytes(data)
    contents = opened(download)
    assert (names(contents), refused(contents)) == (["fine"], ["hw.ipynb: is encrypted"])


def test_an_unusual_packing_is_refused(opened: Callable[..., Contents], tmp_path: Path) -> None:
    download = tmp_path / "packed.zip"
    with zipfile.ZipFile(download, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("hw.ipynb", b"{}")
    assert refused(opened(download)) == ["hw.ipynb: uses a compression method that is not supported"]


# Bombs


def test_a_bomb_is_stopped_by_what_comes_out(opened: Callable[..., Contents], tmp_path: Path) -> None:
    contents = opened({"bomb": bytes(100_000), "fine": b"fine"})
    assert names(contents) == ["fine"]
    assert refused(contents) == ["bomb: unpacks to more than 200 times its size, as a zip bomb does"]
    assert [path.name for path in (tmp_path / "into").iterdir()] == [contents.files[0].file.name]


def test_sizes_that_lie_do_not_matter(opened: Callable[..., Contents], tmp_path: Path) -> None:
    data = bytearray(zip_bytes({"bomb": bytes(100_000)}))
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<L", data, central + 24, 10)  # the size that it says to unpack to
    download = tmp_path / "liar.zip"
    download.write_bytes(data)
    contents = opened(download)
    assert contents.files == []
    assert len(contents.refused) == 1


def test_a_file_that_is_too_large_is_refused(opened: Callable[..., Contents]) -> None:
    contents = opened({"large": os.urandom(250_000), "fine": b""})
    assert (names(contents), refused(contents)) == (["fine"], ["large: unpacks to more than 0.191 MB"])


def test_all_files_together_are_bounded(opened: Callable[..., Contents]) -> None:
    contents = opened({f"{number}": os.urandom(150_000) for number in range(10)})
    assert names(contents) == ["0", "1", "2", "3", "4", "5"]
    assert refused(contents) == ["download.zip: unpacks to more than 0.954 MB; what comes after that is not read"]


def test_the_number_of_entries_is_bounded(opened: Callable[..., Contents]) -> None:
    contents = opened({f"{number}": b"" for number in range(60)})
    assert len(contents.files) == 50
    assert refused(contents) == ["download.zip: holds too many entries; what comes after that is not read"]


def test_entries_that_share_their_bytes_are_refused(opened: Callable[..., Contents], tmp_path: Path) -> None:
    data = zip_bytes({"a": b"content"})
    central, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    record, last = data[central:end], bytearray(data[end:])
    struct.pack_into("<HHL", last, 8, 2, 2, 2 * len(record))
    download = tmp_path / "overlap.zip"
    download.write_bytes(data[:central] + 2 * record + last)
    contents = opened(download)
    assert contents.files == []
    assert refused(contents) == 2 * ["a: overlaps another entry of the zip, as in a zip bomb"]


# Zips in zips


def test_a_zip_that_is_handed_in_is_opened_and_kept(opened: Callable[..., Contents]) -> None:
    inner = zip_bytes({"hw/hw.ipynb": b"{}"})
    contents = opened({"jane/hw.zip": inner})
    assert names(contents) == ["jane/hw.zip", "jane/hw.zip/hw/hw.ipynb"]
    assert [unpacked.nested for unpacked in contents.files] == [0, 1]


def nested(depth: int) -> bytes:
    data = zip_bytes({"hw.ipynb": b"{}"})
    for _ in range(depth - 1):
        data = zip_bytes({"in.zip": data})
    return data


def test_zips_are_opened_to_a_depth(opened: Callable[..., Contents]) -> None:
    contents = opened({"two.zip": nested(2), "three.zip": nested(3)})
    assert names(contents) == [
        "two.zip",
        "two.zip/in.zip",
        "two.zip/in.zip/hw.ipynb",
        "three.zip",
        "three.zip/in.zip",
        "three.zip/in.zip/in.zip",
    ]
    assert refused(contents) == [
        "three.zip/in.zip/in.zip: is a zip in a zip, 3 deep; the zip is kept, but not unpacked"
    ]


BOMBS = {
    "too much": ({f"{number}": os.urandom(150_000) for number in range(3)}, "unpacks to more than 0.286 MB"),
    "too much, deeper": (
        {"in.zip": zip_bytes({f"{number}": os.urandom(90_000) for number in range(4)})},
        "unpacks to more than 0.286 MB",
    ),
    "too many": ({f"{number}": b"" for number in range(12)}, "holds too many entries"),
    "a long list": ({"x" * 100 + str(number): b"" for number in range(30)}, "lists too many entries"),
}


@pytest.mark.parametrize(("files", "why"), BOMBS.values(), ids=BOMBS)
def test_a_zip_of_a_hand_in_that_is_too_much_is_left_closed(
    opened: Callable[..., Contents], files: dict[str, bytes], why: str
) -> None:
    limits = replace(SMALL, total_bytes=10_000_000, file_bytes=2_000_000)
    contents = opened({"hw.zip": zip_bytes(files), "fine": b""}, limits)
    assert names(contents) == ["hw.zip", "fine"]
    assert refused(contents) == [f"hw.zip: {why}; the zip is kept, but not unpacked"]


def test_a_broken_zip_of_a_hand_in_is_kept(opened: Callable[..., Contents]) -> None:
    contents = opened({"hw.zip": b"PK\3\4 cut off", "fine": b""})
    assert names(contents) == ["hw.zip", "fine"]
    assert refused(contents) == ["hw.zip: file is not a zip file; the zip is kept, but not unpacked"]


def test_a_zip_of_the_kind_for_huge_archives_is_left_closed(opened: Callable[..., Contents]) -> None:
    """Its own record of the list's length would be believed, whatever the usual one says."""
    data = zip_bytes({"hw.ipynb": b"{}"})
    end = data.index(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    contents = opened({"hw.zip": data[:end] + record + locator + data[end:]})
    assert names(contents) == ["hw.zip"]
    assert refused(contents) == [
        "hw.zip: is a zip of the kind for huge archives (zip64); the zip is kept, but not unpacked"
    ]


def test_an_entry_that_begins_before_the_zip_is_damaged(opened: Callable[..., Contents], tmp_path: Path) -> None:
    data = bytearray(zip_bytes({"a": b"1", "b": b"2"}))
    end = data.index(b"PK\x05\x06")
    (start,) = struct.unpack_from("<L", data, end + 16)
    struct.pack_into("<L", data, end + 16, start + 40)
    download = tmp_path / "before.zip"
    download.write_bytes(data)
    contents = opened(download)
    assert (contents.files, len(contents.refused)) == ([], 2)
    assert refused(contents)[0] == "a: is damaged (it begins before the zip does)"


# Names


def test_the_same_name_twice_loses_neither(opened: Callable[..., Contents], tmp_path: Path) -> None:
    download = tmp_path / "twice.zip"
    with zipfile.ZipFile(download, "w") as archive:
        archive.writestr("hw.ipynb", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("hw.ipynb", b"2")
    contents = opened(download)
    assert [unpacked.file.read_bytes() for unpacked in contents.files] == [b"1", b"2"]
    assert contents.files[1].note == "hw.ipynb is in the zip more than once: all are kept"


def test_names_that_differ_by_case_are_two(opened: Callable[..., Contents]) -> None:
    assert names(opened({"HW.ipynb": b"1", "hw.ipynb": b"2"})) == ["HW.ipynb", "hw.ipynb"]


def test_utf_8_without_its_flag_is_still_read_so(opened: Callable[..., Contents], tmp_path: Path) -> None:
    data = zip_bytes({"Zoë.ipynb": b"{}"})
    flagged = struct.pack("<H", 0x800)
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(header) + at
        assert data[start : start + 2] == flagged
        data = data[:start] + b"\0\0" + data[start + 2 :]
    download = tmp_path / "unflagged.zip"
    download.write_bytes(data)
    assert names(opened(download)) == ["Zoë.ipynb"]


def test_what_is_code_page_437_stays_so(opened: Callable[..., Contents], tmp_path: Path) -> None:
    data = zip_bytes({"Zo_.ipynb": b"{}"}).replace(b"Zo_", b"Zo\x89")
    download = tmp_path / "cp437.zip"
    download.write_bytes(data)
    assert names(opened(download)) == ["Zoë.ipynb"]


def test_what_systems_leave_behind_is_passed_over(opened: Callable[..., Contents]) -> None:
    junk = [
        "__MACOSX/._hw.ipynb",
        "a/.DS_Store",
        "a/._hw.ipynb",
        "a/.ipynb_checkpoints/hw-checkpoint.ipynb",
        "Thumbs.db",
    ]
    contents = opened({"a/hw.ipynb": b"{}", **dict.fromkeys(junk, b"")})
    assert (names(contents), refused(contents)) == (["a/hw.ipynb"], [])


def test_empty_folders_are_seen(opened: Callable[..., Contents], tmp_path: Path) -> None:
    contents = opened({"jane/": b""})
    assert contents.folders == [("jane",)]


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4" + bytes(100)], ids=["empty", "text", "cut off"])
def test_what_is_no_zip_is_one_line(opened: Callable[..., Contents], tmp_path: Path, content: bytes) -> None:
    download = tmp_path / "no.zip"
    download.write_bytes(content)
    with pytest.raises(SiteError, match=r"no\.zip: is neither a folder nor a zip .*; download it again"):
        opened(download)


def test_memory_does_not_hold_the_files(opened: Callable[..., Contents], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a file's size, it passes through in small pieces."""
    sizes: list[int] = []
    read = zipfile.ZipExtFile.read

    def watched(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        data = read(self, n)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", watched)
    opened({"large": os.urandom(190_000)})
    assert sum(sizes) == 190_000
    assert max(sizes) <= 2**16


def test_a_zip_may_have_a_comment(opened: Callable[..., Contents], tmp_path: Path) -> None:
    content = io.BytesIO(zip_bytes({"hw.ipynb": b"{}"}))
    with zipfile.ZipFile(content, "a") as archive:
        archive.comment = b"homework"
    contents = opened({"hw.zip": content.getvalue()})
    assert names(contents) == ["hw.zip", "hw.zip/hw.ipynb"]
