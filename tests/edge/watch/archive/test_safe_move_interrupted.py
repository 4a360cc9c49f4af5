"""A power cut, a writer or a kill at any step of a move: not one byte is lost."""

import errno
import os
import shutil
import signal
from pathlib import Path

import pytest
from bonefx_edge.watch.archive import safe_move as moving
from bonefx_edge.watch.files import stat_signature
from bonefx_edge.watch.intake.hashing import CHUNK_BYTES
from interrupted_moves import (
    FILM,
    OTHER,
    at_every_step,
    contents,
    move_film,
    name_of,
    once,
    sha256,
    write,
)

pytestmark = pytest.mark.slow

# ---- order: what a power cut may come between ----


def trace(film: Path, folder: Path) -> list[str]:
    """Return the steps that change or sync something, with the last component of their paths."""
    steps: list[str] = []

    def told(when, name, args) -> None:
        if when == "before" and name in {"rename", "unlink", "fsync", "mkdir", "link"}:
            opened = isinstance(args[0], int)
            path = Path(f"/proc/self/fd/{args[0]}").readlink() if opened else args[0]
            steps.append(f"{name} {Path(os.fsdecode(path)).name[:12]}")

    with at_every_step(told):
        assert move_film(film, folder)
    return steps


def test_within_a_file_system_the_new_name_is_on_disk_before_the_old_one_is_off_it(
    film, same
) -> None:
    assert trace(film, same) == [
        *("mkdir done", f"fsync {same.parent.name[:12]}"),
        *("rename film.png", "fsync done", "fsync incoming"),
    ]


def test_across_file_systems_the_copy_and_its_name_are_on_disk_before_the_film_goes(
    film, small_disk
) -> None:
    assert trace(film, small_disk) == [
        *("rename film.png", "unlink .partial-" + sha256(FILM)[:3]),
        *("fsync .partial-" + sha256(FILM)[:3], "rename .partial-" + sha256(FILM)[:3]),
        "unlink .partial-" + sha256(FILM)[:3],
        *("fsync disk", "unlink film.png", "fsync incoming"),
    ]


def test_a_film_that_lay_there_is_on_disk_with_its_name_before_the_source_goes(film, same) -> None:
    write(same / name_of(FILM))
    assert trace(film, same) == [
        *("fsync " + name_of(FILM)[:12], "fsync done", "unlink film.png", "fsync incoming")
    ]


# ---- rewritten meanwhile ----


@pytest.fixture(autouse=True)
def _unseen(monkeypatch) -> None:
    """Let nobody see the writers of these tests, as those on other machines."""
    monkeypatch.setattr(moving, "has_writer", lambda _path: False)


class Writer:
    """Makes a new revision of a film once, and knows what it has written."""

    def __init__(self, film: Path) -> None:
        self.film, self.wrote = film, None

    def __enter__(self) -> "Writer":
        self.held = os.open(self.film, os.O_WRONLY)
        return self

    def __exit__(self, *_) -> None:
        os.close(self.held)

    def write_on(self) -> None:
        """It has had the film open since before we came: it writes wherever the film is."""
        os.pwrite(self.held, b"more", len(FILM))
        self.wrote = FILM + b"more"

    def write_over(self) -> None:
        """The same, and the size remains."""
        os.pwrite(self.held, OTHER, 0)
        self.wrote = OTHER

    def rewrite(self) -> None:
        """In place, by its name: not if that is gone."""
        if self.film.exists():
            with self.film.open("r+b") as stream:
                stream.write(OTHER)
            self.wrote = OTHER

    def replace(self) -> None:
        """As rsync and others do: the new file is whole before it has the name."""
        write(self.film.with_name(".new"), b"another").rename(self.film)
        self.wrote = b"another"


class Points:
    """The steps of a move: do something at one of them, or nothing and see which there are."""

    def __init__(self, film: Path, at: int | None, action) -> None:
        self.at, self.action, self.seen = at, action, []
        self._source = bytes(film)

    def told(self, when, name, args) -> None:
        if self.at == len(self.seen):
            self.action()
        self.seen.append((when, name, args[0] if args else None))

    def unlinks_the_source(self) -> int | None:
        """Return the point before the unlink: that and the one before it are the moment."""
        gone = ("before", "unlink", self._source)
        return self.seen.index(gone) if gone in self.seen else None


def changed_at_every_point(film: Path, folder: Path, kind: str, prepare) -> int:
    """Check that the new revision is somewhere, at whatever point it came; return how many."""

    def move_it(at: int | None) -> tuple[Points, Writer, bool]:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(film.parent)
        write(film)
        prepare()
        seen = stat_signature(bytes(film))
        with Writer(film) as writer:
            points = Points(film, at, getattr(writer, kind))
            with at_every_step(points.told):
                try:
                    went = move_film(film, folder, seen=seen)
                except OSError as refused:
                    if refused.errno != errno.ENOENT:
                        raise
                    went = False
        return points, writer, went

    undisturbed, _, went = move_it(None)
    assert went
    moment = undisturbed.unlinks_the_source()
    for at, point in enumerate(undisturbed.seen):
        _, writer, went = move_it(at)
        kept = list(contents(film.parent).values())
        if folder.exists():
            assert not list(folder.glob(".partial-*"))
            kept += contents(folder).values()
        in_the_moment = moment is not None and at in {moment - 1, moment}
        # Nobody keeps a writer from writing on to what has no name any more.
        too_late = kind in {"write_on", "write_over"} and moment is not None and at > moment
        if not (in_the_moment or too_late):
            assert (writer.wrote or FILM) in kept, (at, point)
        if kind == "replace" and went:
            assert FILM in kept, (at, point)
    return len(undisturbed.seen)


@pytest.mark.parametrize("kind", ["write_on", "write_over", "rewrite", "replace"])
def test_a_new_revision_that_comes_meanwhile_is_never_lost(film, done, kind) -> None:
    assert changed_at_every_point(film, done, kind, lambda: None) > 18


@pytest.mark.parametrize("kind", ["write_on", "write_over", "rewrite", "replace"])
@pytest.mark.parametrize("there", [FILM, OTHER[:100]], ids=["the same", "another"])
def test_nor_is_it_where_something_lies_already(film, done, kind, there) -> None:
    points = changed_at_every_point(film, done, kind, lambda: write(done / name_of(FILM), there))
    assert points > 18


@pytest.mark.parametrize("kind", ["write_on", "write_over"])
def test_a_film_that_is_written_to_while_it_is_renamed_is_given_back(film, same, kind) -> None:
    with Writer(film) as writer, at_every_step(once("after", "rename", getattr(writer, kind))):
        assert move_film(film, same) is False
    assert contents(film.parent) == {"film.png": writer.wrote}
    assert contents(same) == {}


def test_a_film_is_given_back_where_no_file_has_two_names(film, same, monkeypatch) -> None:
    def refuse(*_args, **_more):
        raise OSError(errno.EPERM, "Operation not permitted")  # as FAT does

    with Writer(film) as writer, monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        with at_every_step(once("after", "rename", writer.write_on)):
            assert move_film(film, same) is False
        assert contents(film.parent) == {"film.png": FILM + b"more"}
        assert contents(same) == {}


@pytest.mark.parametrize("links", [True, False])
def test_a_film_is_not_given_back_onto_a_new_one(film, same, monkeypatch, links) -> None:
    def both() -> None:
        writer.write_on()
        write(film, b"new")

    def refuse(*_args, **_more):
        raise OSError(errno.EPERM, "Operation not permitted")

    with Writer(film) as writer, monkeypatch.context() as patch:
        if not links:
            patch.setattr(os, "link", refuse)
        with at_every_step(once("after", "rename", both)):
            assert move_film(film, same) is False
    assert contents(film.parent) == {"film.png": b"new"}
    assert contents(same) == {name_of(FILM): FILM + b"more"}
    # The next of that content finds a wrong name, and puts it right.
    write(film)
    assert move_film(film, same) is True
    written_on = f"film.{sha256(FILM + b'more')}.png"
    assert contents(same) == {name_of(FILM): FILM, written_on: FILM + b"more"}


# ---- killed ----


def move_and_die(film: Path, folder: Path, seen, *, at: int) -> bool:
    """Move in a forked process that kills itself at a point; return whether it came to that."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            points = Points(film, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
            with at_every_step(points.told):
                code = 0 if move_film(film, folder, seen=seen) else 1
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


@pytest.mark.parametrize(
    "there",
    [{}, {name_of(FILM): FILM}, {name_of(FILM): OTHER[:9]}],
    ids=["nothing", "the same", "another"],
)
def test_a_kill_at_any_step_loses_nothing_and_the_next_try_ends_with_the_film_moved(
    film, done, there
) -> None:
    at, died = 0, True
    stays = {f"film.{sha256(each)}.png": each for each in there.values() if each == OTHER[:9]}
    while died:
        shutil.rmtree(done, ignore_errors=True)
        write(film)
        for name, content in there.items():
            write(done / name, content)
        seen = stat_signature(bytes(film))
        died = move_and_die(film, done, seen, at=at)
        places, film_is_there = [film, done / name_of(FILM)], film.exists()
        assert FILM in [place.read_bytes() for place in places if place.exists()], at
        if died:
            assert move_film(film, done, seen=seen) is film_is_there, at
        assert contents(done) == {name_of(FILM): FILM, **stays}, at
        assert contents(film.parent) == {}, at
        at += 1
    assert at > 18, "the steps were not counted"


def test_the_leftover_of_a_kill_is_swept_by_the_next_try(film, small_disk) -> None:
    leftover = write(small_disk / f".partial-{sha256(FILM)}", FILM[:9] + b"?" * (2 * CHUNK_BYTES))
    leftover.chmod(0o666)
    film.chmod(0o644)
    assert move_film(film, small_disk) is True
    assert contents(small_disk) == {name_of(FILM): FILM}
    assert (small_disk / name_of(FILM)).stat().st_mode & 0o777 == 0o644
