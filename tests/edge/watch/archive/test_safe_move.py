"""A decided film leaves the watched folder, and not one byte is lost on the way."""

import errno
import os
import subprocess
from contextlib import nullcontext

import pytest
from bonefx_edge.decode.limits import Limits
from bonefx_edge.watch.archive import safe_move as copying
from bonefx_edge.watch.files import stat_signature
from bonefx_edge.watch.intake.hashing import CHUNK_BYTES
from interrupted_moves import (
    FILM,
    LONG_AGO_NS,
    MOUNT,
    OTHER,
    at_every_step,
    contents,
    move_film,
    name_of,
    once,
    open_files,
    sha256,
    write,
)

# ---- where a film goes ----


def test_a_film_goes_to_a_name_that_tells_its_content(film, done) -> None:
    before = open_files()
    assert move_film(film, done) is True
    assert contents(film.parent) == {}
    assert contents(done) == {name_of(FILM): FILM}
    assert open_files() == before


def test_a_film_keeps_its_time_and_its_rights(film, done) -> None:
    film.chmod(0o640)  # whatever the umask
    assert move_film(film, done) is True
    status = (done / name_of(FILM)).stat()
    assert (status.st_mtime_ns, status.st_mode & 0o7777) == (LONG_AGO_NS, 0o640)


def test_a_copy_is_for_our_eyes_only_until_it_has_the_rights_of_the_film(film, small_disk) -> None:
    rights = []

    def told(_when, name, _args) -> None:
        if name == "read" and (parts := list(small_disk.glob(".partial-*"))):
            rights.append(parts[0].stat().st_mode & 0o777)

    film.chmod(0o644)
    with at_every_step(told):
        assert move_film(film, small_disk)
    assert rights[0] == 0o600


def test_the_folder_is_made_with_its_parents_and_is_for_our_eyes_only(film, same) -> None:
    assert move_film(film, same / "films" / "2024") is True
    for folder in (same, same / "films", same / "films" / "2024"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_an_empty_film_is_moved_as_well(tmp_path, done) -> None:
    film = write(tmp_path / "incoming" / "film.png", b"")
    assert move_film(film, done, content=b"") is True
    assert contents(done) == {name_of(b""): b""}


DIGITS = sha256(FILM)[:16].encode()


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        (b"IMG0001", b"IMG0001.%s" % DIGITS),
        (b"a.b.dcm", b"a.b.%s.dcm" % DIGITS),
        (b"R\xf6ntgen\xff.png", b"R\xf6ntgen\xff.%s.png" % DIGITS),
        (b"two\nlines.png", b"two\nlines.%s.png" % DIGITS),
        (b"x" * 234 + b".png", b"x" * 234 + b".%s.png" % DIGITS),
        (b"x" * 251 + b".png", b"x" * 234 + b".%s.png" % DIGITS),
        (b"x" * 255, b"x" * 238 + b".%s" % DIGITS),
        # A point is not always that of an extension.
        (b"a." + b"x" * 253, b"a." + b"x" * 236 + b".%s" % DIGITS),
        # Not within a character of UTF-8: the 234th byte is its second, third, fourth.
        (b"x" * 233 + "ö".encode() * 9 + b".png", b"x" * 233 + b".%s.png" % DIGITS),
        (b"x" * 231 + "🦴".encode() * 5 + b".png", b"x" * 231 + b".%s.png" % DIGITS),
        (
            b"x" * 230 + "🦴".encode() * 5 + b".png",
            b"x" * 230 + "🦴".encode() + b".%s.png" % DIGITS,
        ),
        # Not UTF-8: anywhere.
        (b"\xa4" * 251 + b".png", b"\xa4" * 234 + b".%s.png" % DIGITS),
    ],
)
def test_any_bytes_may_be_a_name_and_a_long_one_is_cut(film, done, name, moved) -> None:
    film = film.rename(film.with_name(os.fsdecode(name)))
    assert move_film(film, done) is True
    assert [os.fsencode(path.name) for path in done.iterdir()] == [moved]
    assert len(moved) <= 255


def test_two_contents_of_one_name_do_not_meet(film, done) -> None:
    assert move_film(film, done)
    assert move_film(write(film, OTHER), done, content=OTHER)
    assert contents(done) == {name_of(FILM): FILM, name_of(OTHER): OTHER}


def test_a_folder_is_not_moved_into_itself_by_whatever_path(film) -> None:
    """Its cut name may be its own: it would be taken for its copy, and removed."""
    film = film.rename(film.with_name("x" * 234 + f".{sha256(FILM)[:16]}.png"))
    way = film.parent.with_name("way")
    way.symlink_to(film.parent)
    for folder in (film.parent, way):
        with pytest.raises(OSError, match="expected another folder"):
            move_film(film, folder)
    assert contents(film.parent) == {film.name: FILM}


# ---- what is not moved ----


def test_a_film_that_is_gone_or_was_rewritten_is_left_and_no_folder_is_made(film, same) -> None:
    seen = stat_signature(bytes(film))
    for change in (lambda: film.write_bytes(OTHER), lambda: film.write_bytes(b""), film.unlink):
        change()
        assert move_film(film, same, seen=seen) is False
        assert not same.exists()


def test_a_film_of_another_time_or_ctime_alone_is_a_new_revision(film, same) -> None:
    seen = stat_signature(bytes(film))
    for other in (seen._replace(mtime_ns=1), seen._replace(ctime_ns=1), seen._replace(size=1)):
        assert move_film(film, same, seen=other) is False
    assert contents(film.parent) == {"film.png": FILM}


def test_a_link_is_no_film(film, done) -> None:
    seen = stat_signature(bytes(film))
    real = film.rename(film.with_name("elsewhere"))
    film.symlink_to(real)
    assert move_film(film, done, seen=seen) is False
    assert film.is_symlink()
    assert real.read_bytes() == FILM


def test_a_link_put_in_the_place_of_the_film_at_the_last_moment_is_not_followed(film, done) -> None:
    seen, real = stat_signature(bytes(film)), film.with_name("elsewhere")

    def swap() -> None:
        film.rename(real)
        film.symlink_to(real)

    done.mkdir()
    across = done.stat().st_dev != film.stat().st_dev
    refused = pytest.raises(OSError, match="symbolic links") if across else nullcontext()
    with at_every_step(once("before", "rename", swap)), refused:
        assert move_film(film, done, seen=seen) is False
    assert real.read_bytes() == FILM
    assert film.is_symlink()
    assert contents(done) == {}


def test_what_another_lays_at_the_place_of_the_copy_is_not_written_through(
    film, small_disk
) -> None:
    other = write(small_disk / "other", b"not ours")
    (small_disk / "done").mkdir()
    (small_disk / "done" / f".partial-{sha256(FILM)}").symlink_to(other)
    (small_disk / "done" / name_of(FILM)).symlink_to(other)
    assert move_film(film, small_disk / "done") is True
    assert other.read_bytes() == b"not ours"
    assert contents(small_disk / "done") == {name_of(FILM): FILM}
    assert not (small_disk / "done" / name_of(FILM)).is_symlink()


def test_nor_is_what_another_lays_there_at_the_last_moment(film, small_disk) -> None:
    other = write(small_disk / "other", b"not ours")
    partial = small_disk / "done" / f".partial-{sha256(FILM)}"
    write(partial, b"a leftover")
    for lay in (partial.symlink_to, partial.hardlink_to):
        swap = once("after", "unlink", lambda lay=lay: lay(other))
        with at_every_step(swap), pytest.raises(FileExistsError):
            move_film(film, small_disk / "done")
        assert other.read_bytes() == b"not ours"
        assert film.read_bytes() == FILM
        write(partial, b"a leftover")


# ---- what lies there already ----


def test_of_a_film_that_lies_there_already_only_the_source_goes(film, done) -> None:
    kept = write(done / name_of(FILM))
    before = kept.stat()
    assert move_film(film, done) is True
    assert contents(film.parent) == {}
    assert contents(done) == {name_of(FILM): FILM}
    assert (kept.stat().st_ino, kept.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


@pytest.mark.parametrize("wrong", [b"", FILM[:-1], FILM + b"more", OTHER], ids=len)
def test_a_file_of_the_name_of_a_film_and_not_of_its_content_gives_way_and_is_kept(
    film, done, wrong
) -> None:
    write(done / name_of(FILM), wrong)
    assert move_film(film, done) is True
    assert contents(film.parent) == {}
    assert contents(done) == {name_of(FILM): FILM, f"film.{sha256(wrong)}.png": wrong}


def test_a_file_that_gives_way_a_second_time_is_not_kept_twice_and_replaces_nothing(
    film, same
) -> None:
    write(same / name_of(FILM), OTHER)
    aside = write(same / f"film.{sha256(OTHER)}.png", b"another")
    with pytest.raises(FileExistsError):
        move_film(film, same)
    assert contents(same) == {name_of(FILM): OTHER, aside.name: b"another"}
    assert film.read_bytes() == FILM
    write(aside, OTHER)
    assert move_film(film, same) is True
    assert contents(same) == {name_of(FILM): FILM, aside.name: OTHER}


@pytest.mark.parametrize("first", [FILM[:10], FILM], ids=["one byte above the cap", "more"])
def test_two_films_that_begin_alike_as_far_as_their_identity_tells_are_both_kept(
    film, done, monkeypatch, first
) -> None:
    """Above the cap the identity is that of the beginning."""
    monkeypatch.setattr(copying, "DEFAULT_LIMITS", Limits(max_bytes=9))
    of_both, longer = FILM[:10], FILM + b" and more"
    assert move_film(write(film, first), done, content=of_both) is True
    assert move_film(write(film, longer), done, content=of_both) is True
    assert contents(done) == {name_of(of_both): longer, f"film.{sha256(first)}.png": first}


def test_a_film_is_not_removed_for_a_second_name_of_its_own(film, same) -> None:
    same.mkdir()
    (same / name_of(FILM)).hardlink_to(film)
    assert move_film(film, same) is True
    assert contents(film.parent) == {}
    assert contents(same) == {name_of(FILM): FILM}


# ---- what the file systems refuse ----


def test_a_full_disk_is_an_error_and_leaves_the_film_and_nothing_of_the_copy(
    film, small_disk
) -> None:
    ballast = write(small_disk / "ballast", bytes(3 * CHUNK_BYTES + 1))
    done = small_disk / "done"
    for _ in range(2):
        before = open_files()
        with pytest.raises(OSError, match="No space left") as caught:
            move_film(film, done)
        assert caught.value.errno == errno.ENOSPC
        assert open_files() == before
        assert contents(film.parent) == {"film.png": FILM}
        assert contents(done) == {}
    ballast.unlink()
    assert move_film(film, done) is True
    assert contents(done) == {name_of(FILM): FILM}


def test_from_a_folder_that_must_not_be_written_to_no_film_goes(small_disk, same) -> None:
    film = write(small_disk / "incoming" / "film.png")
    (small_disk / "done").mkdir()
    subprocess.run([MOUNT, "-o", "remount,ro", small_disk], check=True)
    for done in (small_disk / "done", same, same):
        with pytest.raises(OSError, match="Read-only file system"):
            move_film(film, done)
        assert contents(film.parent) == {"film.png": FILM}
    assert contents(small_disk / "done") == {}
    assert contents(same) == {name_of(FILM): FILM}  # whole, and known again when the film may go


def test_a_file_in_the_place_of_the_folder_is_an_error(film, same) -> None:
    write(same, b"no folder")
    for folder in (same, same / "below"):
        with pytest.raises(OSError, match=r"File exists|Not a directory"):
            move_film(film, folder)
    assert film.read_bytes() == FILM


def test_a_copy_that_the_disk_spoils_is_not_believed(film, small_disk) -> None:
    def told(when, name, args) -> None:
        partial = small_disk / f".partial-{sha256(FILM)}"
        if (when, name) == ("after", "fchmod") and partial.exists():
            with partial.open("r+b") as stream:
                stream.write(b"!")

    with at_every_step(told), pytest.raises(OSError, match="differs from the original") as caught:
        move_film(film, small_disk)
    assert caught.value.errno == errno.EIO
    assert contents(film.parent) == {"film.png": FILM}
    assert contents(small_disk) == {}


def test_a_film_that_is_another_than_was_decided_though_it_looks_the_same_is_not_copied(
    film, small_disk
) -> None:
    with pytest.raises(OSError, match="differs from the original"):
        move_film(film, small_disk, content=OTHER)
    assert contents(film.parent) == {"film.png": FILM}
    assert contents(small_disk) == {}


# ---- a film that someone has open for writing ----


@pytest.mark.parametrize("target", ["same", "small_disk"])
def test_a_film_that_is_open_for_writing_stays(film, target, request) -> None:
    folder = request.getfixturevalue(target)
    with film.open("r+b"):
        assert move_film(film, folder) is False
        assert contents(film.parent)[film.name] == FILM
        assert not folder.exists() or not contents(folder)
    assert move_film(film, folder) is True


@pytest.mark.parametrize(
    ("target", "call"), [("same", "rename"), ("small_disk", "rename"), ("small_disk", "fsync")]
)
def test_a_film_that_is_opened_for_writing_during_its_move_stays(
    film, target, call, request
) -> None:
    folder, streams = request.getfixturevalue(target), []

    def told(when, name, _args) -> None:
        if (when, name) == ("before", call) and not streams:
            streams.append(film.open("r+b"))

    with at_every_step(told):
        assert move_film(film, folder) is False
    streams.pop().close()
    assert contents(film.parent)[film.name] == FILM
