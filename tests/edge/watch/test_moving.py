"""A decided film leaves the watched folder, and not one byte is lost on the way."""

import errno
import gc
import hashlib
import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from bonefx_edge.limits import Limits
from bonefx_edge.watch import copying, folders, identity, moving, signature
from bonefx_edge.watch.identity import PIECE_BYTES
from bonefx_edge.watch.moving import move
from bonefx_edge.watch.signature import look_at

LONG_AGO_NS = 1_000_000_000_123_456_789
"""In 2001: a write after it shows in the time, however coarse the clock of the file system."""
FILM = os.urandom(PIECE_BYTES) + b"the rest of the film"
"""More than one piece; two of it go on the small disk, three do not."""
OTHER = os.urandom(len(FILM))
STEPS = sorted(
    {
        name
        for module in (moving, copying, folders, identity, signature)
        for name in re.findall(r"os\.([a-z_]+)\(", Path(module.__file__).read_text("utf-8"))
    }
)
"""What they ask of the system: whoever adds a call adds a point to die at."""
MOUNT = shutil.which("mount") or ""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(path: Path, content: bytes = FILM) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def move_film(film: Path, folder: Path, *, content: bytes = FILM, seen=None) -> bool:
    seen = look_at(bytes(film)) if seen is None else seen
    return move(bytes(film), bytes(folder), sha256=sha256(content), signature=seen)


def name_of(content: bytes) -> str:
    return f"film.{sha256(content)[:16]}.png"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(name="film")
def _film(tmp_path) -> Path:
    return write(tmp_path / "incoming" / "film.png")


@pytest.fixture(name="same")
def _same(tmp_path) -> Path:
    """A folder of the film's own file system."""
    return tmp_path / "done"


@pytest.fixture(name="done", params=["same file system", "another file system"])
def _done(request) -> Path:
    """A folder to move to, on either; it is not there yet."""
    if request.param == "same file system":
        return request.getfixturevalue("same")
    return request.getfixturevalue("small_disk") / "done"


@contextmanager
def at_every_step(told):
    """Call `told` with (before or after, name, arguments) around all that is asked of the system.

    What it asks itself is not told of.
    """
    inside = False

    def around(name, real):
        def tell(when, args):
            nonlocal inside
            if not inside:
                inside = True
                try:
                    told(when, name, args)
                finally:
                    inside = False

        def wrapped(*args, **kwargs):
            tell("before", args)
            value = real(*args, **kwargs)
            tell("after", args)
            return value

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, around(name, getattr(os, name)))
        yield


def once(when: str, name: str, action):
    """Return what acts at the first step of this name."""
    done = []

    def told(*step) -> None:
        if step[:2] == (when, name) and not done:
            done.append(step)
            action()

    return told


def open_files() -> int:
    gc.collect()  # files of other tests, whose failures keep them, must not go in between
    return len(list(Path("/proc/self/fd").iterdir()))


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
    seen = look_at(bytes(film))
    for change in (lambda: film.write_bytes(OTHER), lambda: film.write_bytes(b""), film.unlink):
        change()
        assert move_film(film, same, seen=seen) is False
        assert not same.exists()


def test_a_film_of_another_time_or_ctime_alone_is_a_new_revision(film, same) -> None:
    seen = look_at(bytes(film))
    for other in (seen._replace(mtime_ns=1), seen._replace(ctime_ns=1), seen._replace(size=1)):
        assert move_film(film, same, seen=other) is False
    assert contents(film.parent) == {"film.png": FILM}


def test_a_link_is_no_film(film, done) -> None:
    seen = look_at(bytes(film))
    real = film.rename(film.with_name("elsewhere"))
    film.symlink_to(real)
    assert move_film(film, done, seen=seen) is False
    assert film.is_symlink()
    assert real.read_bytes() == FILM


def test_a_link_put_in_the_place_of_the_film_at_the_last_moment_is_not_followed(film, done) -> None:
    seen, real = look_at(bytes(film)), film.with_name("elsewhere")

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
    ballast = write(small_disk / "ballast", bytes(3 * PIECE_BYTES + 1))
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

    with at_every_step(told), pytest.raises(OSError, match="is a disk failing") as caught:
        move_film(film, small_disk)
    assert caught.value.errno == errno.EIO
    assert contents(film.parent) == {"film.png": FILM}
    assert contents(small_disk) == {}


def test_a_film_that_is_another_than_was_decided_though_it_looks_the_same_is_not_copied(
    film, small_disk
) -> None:
    with pytest.raises(OSError, match="is a disk failing"):
        move_film(film, small_disk, content=OTHER)
    assert contents(film.parent) == {"film.png": FILM}
    assert contents(small_disk) == {}


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
        seen = look_at(bytes(film))
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
        seen = look_at(bytes(film))
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
    leftover = write(small_disk / f".partial-{sha256(FILM)}", FILM[:9] + b"?" * (2 * PIECE_BYTES))
    leftover.chmod(0o666)
    film.chmod(0o644)
    assert move_film(film, small_disk) is True
    assert contents(small_disk) == {name_of(FILM): FILM}
    assert (small_disk / name_of(FILM)).stat().st_mode & 0o777 == 0o644
