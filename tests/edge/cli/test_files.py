"""Which files a command line means, and in which order."""

import os
from pathlib import Path

from bonefx_edge.cli.files import list_files


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(root: Path, paths: list[Path]) -> list[str]:
    return [str(path.relative_to(root)) for path in list_files(paths).files]


def test_files_come_in_the_order_they_are_named_and_folders_sorted(tmp_path) -> None:
    make(tmp_path, "z.png", "folder/b.png", "folder/a.png", "folder/deep/c.dcm")
    found = names(tmp_path, [tmp_path / "z.png", tmp_path / "folder"])
    assert found == ["z.png", "folder/a.png", "folder/b.png", "folder/deep/c.dcm"]


def test_hidden_files_count_only_when_named(tmp_path) -> None:
    make(tmp_path, ".hidden.png", ".git/x", "a.png")
    assert names(tmp_path, [tmp_path]) == ["a.png"]
    assert names(tmp_path, [tmp_path / ".hidden.png"]) == [".hidden.png"]


def test_names_that_watching_passes_over_are_passed_over_and_counted(tmp_path) -> None:
    make(tmp_path, "Thumbs.db", ".DS_Store", "a.png.part", "@eaDir/a.png", "a.png", "IMG0001")
    found = list_files([tmp_path])
    assert [path.name for path in found.files] == ["IMG0001", "a.png"]
    assert found.passed_over == 4  # a folder counts once
    named = list_files([tmp_path / "Thumbs.db", tmp_path / "@eaDir"])
    assert (len(named.files), named.passed_over) == (2, 0)


def test_symbolic_links_to_files_and_folders_are_followed(tmp_path) -> None:
    make(tmp_path, "store/a.png", "inbox/b.png")
    (tmp_path / "inbox" / "link.png").symlink_to(tmp_path / "store" / "a.png")
    (tmp_path / "inbox" / "more").symlink_to(tmp_path / "store")
    assert names(tmp_path, [tmp_path / "inbox"]) == [
        *("inbox/b.png", "inbox/link.png", "inbox/more/a.png")
    ]


def test_a_loop_of_links_ends(tmp_path) -> None:
    make(tmp_path, "inbox/a.png")
    (tmp_path / "inbox" / "again").symlink_to(tmp_path / "inbox")
    assert names(tmp_path, [tmp_path / "inbox"]) == ["inbox/a.png"]


def test_what_cannot_be_found_or_followed_is_left_for_the_classifier_to_refuse(tmp_path) -> None:
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path, [tmp_path, tmp_path / "gone"]) == ["dangling", "self", "gone"]


def test_a_folder_that_vanishes_while_listing_is_left_for_the_classifier(tmp_path, monkeypatch):
    make(tmp_path, "inbox/a.png", "inbox/locked/b.png")
    real = Path.iterdir

    def iterdir(self: Path):
        if self.name == "locked":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert names(tmp_path, [tmp_path / "inbox"]) == ["inbox/a.png", "inbox/locked"]


def test_folders_deeper_than_the_stack_are_searched(tmp_path, monkeypatch) -> None:
    # Step by step: the full path is longer than the system takes in one piece (4,096 bytes).
    depth = 1200
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        Path("a").mkdir()
        os.chdir("a")
    Path("film.png").write_bytes(b"x")
    deepest = os.open(".", os.O_RDONLY)
    os.chdir(tmp_path)
    try:
        assert [path.name for path in list_files([Path("a")]).files] == ["film.png"]
    finally:  # pytest's own cleaning recurses
        os.fchdir(deepest)
        os.close(deepest)
        Path("film.png").unlink()
        for _ in range(depth):
            os.chdir("..")
            Path("a").rmdir()


def test_the_folder_of_a_repaired_disk_is_passed_over(tmp_path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "film.png").touch()
    found = list_files([tmp_path])
    assert (found.files, found.passed_over) == ([tmp_path / "film.png"], 1)
