"""The SQLite file of the page: users, sessions, verdicts, audit log."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from bonefx_edge.errors import BonefxError, JournalError
from bonefx_edge.watch.files import error_name

DATABASE_NAME: Final = "page.sqlite"
BUSY_TIMEOUT_S: Final = 10.0
"""For the transaction of another request, or of `edge-page user`."""


class NotSavedError(BonefxError):
    """What a person entered was not saved: the disk is full, or cannot be written."""

    code = "not_saved"

    def __init__(self, cause: OSError | sqlite3.OperationalError) -> None:
        name = error_name(cause) if isinstance(cause, OSError) else cause.sqlite_errorname
        super().__init__(f"not saved ({name})")


_V1: Final = """
CREATE TABLE user (
  name TEXT PRIMARY KEY,
  password TEXT NOT NULL,        -- see passwords.py
  role TEXT NOT NULL CHECK (role IN ('technician', 'reader', 'admin')),
  created REAL NOT NULL          -- seconds since 1970, as are all times here
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
  token TEXT PRIMARY KEY,        -- sha256 of the cookie
  user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
  form_token TEXT NOT NULL,      -- stands in each form
  created REAL NOT NULL,
  seen REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_user ON session (user);
CREATE TABLE verdict (           -- each verdict that was ever given; none is changed
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,          -- of the film
  given REAL NOT NULL,
  reader TEXT NOT NULL,
  answer TEXT NOT NULL CHECK (answer IN ('fracture', 'no_fracture', 'unsure', 'not_readable')),
  agrees INTEGER,                -- with the state; NULL where one of them is no yes or no
  state TEXT NOT NULL,           -- of the result that the reader saw
  received REAL NOT NULL,        -- first arrival of the film
  record TEXT NOT NULL,          -- JSON, as in the file
  is_current INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX verdict_current ON verdict (sha256) WHERE is_current;
CREATE INDEX verdict_disagrees ON verdict (sha256) WHERE is_current AND agrees = 0;
CREATE INDEX verdict_film ON verdict (sha256, id);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  user TEXT NOT NULL,
  action TEXT NOT NULL,
  sha256 TEXT                    -- of a film
) STRICT;
CREATE INDEX audit_at ON audit (at);
"""
_PREDICTOR: Final = (
    "json_array(record ->> '$.model', record ->> '$.model_sha256', record ->> '$.mode',"
    " record ->> '$.operating_point', record ->> '$.site_profile')"
)
_V2: Final = f"""
CREATE TABLE predictor (         -- what made results: see Verdict.predictor
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE      -- JSON
) STRICT;
ALTER TABLE verdict ADD COLUMN predictor INTEGER REFERENCES predictor (id);
ALTER TABLE verdict ADD COLUMN body_part TEXT;
INSERT INTO predictor (name) SELECT DISTINCT {_PREDICTOR} FROM verdict;
UPDATE verdict SET predictor = (SELECT id FROM predictor WHERE name = {_PREDICTOR}),
  body_part = record ->> '$.body_part';
-- What the report counts, without the records.
CREATE INDEX verdict_report ON verdict (received, answer, state, predictor, body_part)
  WHERE is_current;
-- For the list of films without verdict: 64 bits tell 100,000 films apart (a pair in 4e9 lists),
-- and an index of whole hashes would not fit into the cache.
CREATE INDEX verdict_read ON verdict (substr(sha256, 1, 16)) WHERE is_current;
"""  # noqa: S608 constants
_STEPS: Final = (_V1, _V2)


def create(folder: Path) -> Path:
    """Create the database in a folder, or migrate it; return its path.

    Raises
    ------
    JournalError
        It was written by a newer bonefx, or is damaged.
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / DATABASE_NAME
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(connect(path)) as connection:
            _migrate(connection, path)
    except sqlite3.DatabaseError as err:
        msg = f"{path}: cannot open the database of the page ({err}); check disk and permissions"
        raise JournalError(msg) from err
    return path


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection; a commit is on disk when it returns."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end, or roll back; also if the commit finds the disk full."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_STEPS):
        msg = f"{path}: of a newer bonefx (version {version}); install that one"
        raise JournalError(msg)
    for number, step in enumerate(_STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
