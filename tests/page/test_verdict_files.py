"""A verdict is given in database and file, or in neither: at kills, and on a disk that is full."""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from bonefx_page.store import database, verdict_files
from bonefx_page.store.database import DATABASE_NAME, NotSavedError, connect, create
from bonefx_page.store.verdicts import Answer, Verdict, Verdicts
from kill_points import Doom, run_and_die

FILM, OTHER = "a" * 64, "b" * 64


def verdict(number: int, sha256: str = FILM) -> Verdict:
    return Verdict(
        sha256=sha256, given=float(number), reader="anna", answer=Answer.FRACTURE, box=None,
        remark=f"number {number}", received=1.0, state="fracture", score=0.9, reason=None,
        model="lite0 0.6.0", model_sha256="c" * 64, mode="tiled", operating_point="balanced",
        site_profile=None,
    )  # fmt: skip


def remarks(folder) -> list[str]:
    """Return what the database has about the film, after the start of the page."""
    with closing(connect(create(folder))) as connection:
        verdicts = Verdicts(connection, folder)
        verdicts.finish()
        return [each.remark for each in verdicts.history(FILM)]


def remarks_in_file(folder) -> list[str]:
    path = folder / "verdicts" / f"{FILM}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["remark"] for line in lines]


def remarks_after_rebuild(folder, copy) -> list[str]:
    shutil.copytree(folder, copy)
    for path in copy.glob(f"{DATABASE_NAME}*"):
        path.unlink()
    with closing(connect(create(copy))) as connection:
        Verdicts(connection, copy).rebuild()
    return remarks(copy)


def give(folder, *verdicts: Verdict) -> None:
    with closing(connect(create(folder))) as connection:
        for each in verdicts:
            Verdicts(connection, folder).give(each)


def give_and_die(folder, at: int) -> bool:
    """Give a verdict; return whether it was said to be given before the process died."""
    doom = Doom(at)

    def act() -> None:
        doom.watch_commits(database)
        for name in ("fsync", "replace"):
            setattr(verdict_files.os, name, doom.around(getattr(os, name)))
        give(folder, verdict(2))

    return run_and_die(act)


@pytest.mark.parametrize("earlier", [(), (verdict(1),), (verdict(0, OTHER),)])
def test_after_a_kill_at_any_step_database_and_file_say_the_same(tmp_path, earlier) -> None:
    before = [each.remark for each in earlier if each.sha256 == FILM]
    outcomes = set()
    for at in range(1, 40):
        folder = tmp_path / str(at)
        give(folder, *earlier)
        was_said = give_and_die(folder, at)
        after = remarks(folder)
        assert after in (before, [*before, "number 2"])
        assert after[len(before) :] or not was_said, "it was said to be saved"
        assert remarks_in_file(folder) == after
        assert remarks_after_rebuild(folder, tmp_path / f"rebuilt-{at}") == after
        outcomes.add(bool(after[len(before) :]))
        if was_said:
            break
    assert was_said
    assert at > 8, "fewer steps than before: is the test blind?"
    assert outcomes == {False, True}


@pytest.mark.parametrize("step", ["INSERT", "COMMIT"])
def test_a_failed_insert_leaves_no_verdict_that_a_rebuild_counts(tmp_path, step, monkeypatch):
    give(tmp_path / "page", verdict(1))

    class Failing(sqlite3.Connection):
        def execute(self, sql, *rest):
            if sql.startswith(step):
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error
            return super().execute(sql, *rest)

    real = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(database.sqlite3, "connect", lambda *a, **k: real(*a, factory=Failing, **k))
        with closing(connect(tmp_path / "page" / DATABASE_NAME)) as connection:
            verdicts = Verdicts(connection, tmp_path / "page")
            with pytest.raises(NotSavedError, match="SQLITE_FULL"):
                verdicts.give(verdict(2))
    assert not list((tmp_path / "page" / "verdicts" / "next").iterdir())
    assert remarks(tmp_path / "page") == ["number 1"]
    assert remarks_after_rebuild(tmp_path / "page", tmp_path / "rebuilt") == ["number 1"]


def test_a_rename_that_fails_is_made_up_for_at_the_next_verdict_or_start(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def refuse(*_):
            raise OSError(5, "input/output error")

        patch.setattr(verdict_files.os, "replace", refuse)
        give(tmp_path / "page", verdict(1))
    assert remarks_in_file(tmp_path / "page") == []
    give(tmp_path / "page", verdict(2))
    assert remarks_in_file(tmp_path / "page") == ["number 1", "number 2"]
