"""A database of an older page is migrated with its verdicts."""

import dataclasses
import sqlite3
from contextlib import closing

import pytest
from bonefx_edge.errors import JournalError
from bonefx_page.store import database
from bonefx_page.store.database import DATABASE_NAME, connect, create
from bonefx_page.store.verdicts import Answer, Verdicts

RECORD = (
    '{"sha256": "aa", "given": 2.0, "reader": "anna", "answer": "fracture", "box": null,'
    ' "remark": "", "received": 1795918181.0, "state": "fracture", "score": 0.9, "reason": null,'
    ' "model": "lite0 0.6.0", "model_sha256": "cc", "mode": "tiled",'
    ' "operating_point": "balanced", "site_profile": null, "schema": "bonefx.verdict/1"}'
)


def write_first_version(folder) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as connection, connection:
        connection.executescript(f"{database._V1} PRAGMA user_version = 1;")
        connection.execute(
            "INSERT INTO verdict (sha256, given, reader, answer, agrees, state, received, record)"
            " VALUES ('aa', 2.0, 'anna', 'fracture', 1, 'fracture', 1795918181.0, ?)",
            (RECORD,),
        )


def test_verdicts_of_the_first_version_are_counted_with_those_that_follow(tmp_path) -> None:
    write_first_version(tmp_path / "page")
    with closing(connect(create(tmp_path / "page"))) as connection:
        verdicts = Verdicts(connection, tmp_path / "page")
        (old,) = verdicts.history("aa")
        assert old.body_part is None
        verdicts.give(dataclasses.replace(old, sha256="bb"))
        (group,) = verdicts.groups()
    assert (group.answer, group.n) == (Answer.FRACTURE, 2)
    assert group.predictor == old.predictor


def test_a_database_of_a_newer_page_is_left_alone(tmp_path) -> None:
    write_first_version(tmp_path / "page")
    with closing(sqlite3.connect(tmp_path / "page" / DATABASE_NAME)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="newer bonefx"):
        create(tmp_path / "page")
