"""Which names may be films."""

import pytest
from bonefx_edge.watch.intake.ignore import is_image_folder, is_image_name


@pytest.mark.parametrize(
    "name",
    [
        b"film.png",
        b"FILM.JPG",
        b"scan.dcm",
        b"IMG0001",  # DICOM of a medium has no ending
        b"1.2.840.113619.2.5",
        b"film.png.",  # a dot at the end is no hidden file
        b"report.txt",  # the content decides, not the ending
        b"x",
        b" ",
        b"part",  # an ending is one only behind a dot
        b"tmp.png",
        b"lock.png",
        b"my.part.png",
        b"thumbs.db.png",
        b"~film.png",
        b"film~1.png",  # a short name of Windows
        b"dicomdir.dcm",
        b"two\nlines.png",
        b"R\xf6ntgen.png",  # Latin-1, not UTF-8
        b"\xff\xfe",
    ],
)
def test_a_file_of_any_other_name_may_be_a_film(name) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize(
    "name",
    [
        b"film.png.part",  # Firefox, wget
        b"film.png.partial",
        b"film.tmp",
        b"film.temp",
        b"film.crdownload",  # Chromium
        b"film.download",  # Safari
        b"film.png.filepart",  # WinSCP
        b"film.swp",
        b"film.lock",
        b"film.lnk",
        b"film.png~",
        b".part",
        b"~",
        b"R\xf6ntgen.part",
        b"two\nlines.part",
    ],
)
def test_an_unfinished_copy_is_no_film(name) -> None:
    assert not is_image_name(name)


@pytest.mark.parametrize(
    "name",
    [b"Thumbs.db", b"ehthumbs.db", b"desktop.ini", b"autorun.inf", b"DICOMDIR", b"dicomdir"],
)
def test_what_a_system_writes_beside_pictures_is_no_film(name) -> None:
    assert not is_image_name(name)


@pytest.mark.parametrize(
    "name",
    [
        b".DS_Store",
        b"._film.png",  # the other half of a Mac's file
        b".film.png.Xa3kQz",  # rsync
        b".nfs0000000000a1b2c3",
        b".hidden.dcm",
        b".",
        b"~$film.docx",
    ],
)
def test_a_hidden_file_is_no_film(name) -> None:
    assert not is_image_name(name)


@pytest.mark.parametrize("name", [b"FILM.PART", b"Film.Tmp", b"THUMBS.DB", b"Desktop.INI"])
def test_the_case_of_letters_does_not_matter_for_files(name) -> None:
    assert not is_image_name(name)


@pytest.mark.parametrize(
    "name",
    [
        b"2024-05-01",
        b"hand.part",  # endings are of files
        b"tmp",
        b"thumbs.db",
        b"eaDir",
        b"recycle",
        b"R\xf6ntgen",
        b"two\nlines",
    ],
)
def test_a_folder_of_any_other_name_is_entered(name) -> None:
    assert is_image_folder(name)


@pytest.mark.parametrize(
    "name",
    [
        b"@eaDir",
        b"#recycle",
        b"$RECYCLE.BIN",
        b"System Volume Information",
        b"lost+found",
        b"@EADIR",
        b".Trash-1000",
        b".git",
        b"~$x",
    ],
)
def test_hidden_folders_and_those_of_stores_and_systems_are_not_entered(name) -> None:
    assert not is_image_folder(name)
