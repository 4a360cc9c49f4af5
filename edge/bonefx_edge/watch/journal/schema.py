"""The tables of the journal, as numbered migrations: a journal of any version can be opened."""

import sqlite3
from typing import Final

from bonefx_edge.errors import JournalError

_V1: Final = """
CREATE TABLE film (              -- one row for each content that ever arrived
  number INTEGER PRIMARY KEY,    -- order of arrival
  sha256 TEXT NOT NULL UNIQUE,   -- of the content: its identity
  state TEXT NOT NULL
    CHECK (state IN ('received', 'claimed', 'done', 'refused', 'failed')),
  received REAL NOT NULL,        -- seconds since 1970, as are all times here
  attempts INTEGER NOT NULL DEFAULT 0,   -- how often it was claimed since it was last decided
  deaths INTEGER NOT NULL DEFAULT 0,     -- of the service with it in hand, since then
  retry_at REAL,                 -- failed: not before
  failure TEXT,                  -- failed: code of what stood in the way
  decided REAL,                  -- of the newest record
  answered_by TEXT,              -- of the newest record: model, mode, operating point
  reason TEXT,                   -- of the newest record, if it is a refusal
  record TEXT,                   -- JSON, as in the result file
  superseded_by TEXT,            -- sha256 of what the file was rewritten to
  filed INTEGER NOT NULL DEFAULT 0       -- whether a result file of it is among the current ones
) STRICT;
CREATE INDEX film_state ON film (state, number);
CREATE INDEX film_superseded ON film (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE TABLE file (              -- one row for each name that was ever seen
  path BLOB PRIMARY KEY,         -- below the watched folder, bytes as the system has them
  sha256 TEXT,                   -- of its newest content; NULL where it could never be read
  size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,  -- its signature when that was read
  present INTEGER NOT NULL,      -- whether it was there when last looked for
  failure TEXT                   -- code of why it cannot be read
) STRICT, WITHOUT ROWID;
CREATE INDEX file_content ON file (sha256, present);
CREATE VIEW standing AS        -- films that count, each with how it stands for a person
  SELECT *, CASE WHEN state = 'failed' AND failure = 'absent' THEN 'absent' ELSE state END AS stands
  FROM film WHERE superseded_by IS NULL;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

_V2: Final = """
CREATE TABLE outbox (            -- messages about results that nobody has taken yet
  number INTEGER PRIMARY KEY,    -- order of delivery
  body TEXT NOT NULL,            -- JSON
  written REAL NOT NULL,         -- seconds since 1970
  attempts INTEGER NOT NULL DEFAULT 0,   -- that failed
  retry_at REAL NOT NULL DEFAULT 0       -- seconds since 1970: not before
) STRICT;
CREATE INDEX file_present ON file (path) WHERE present;
-- What edge-admin status and the health port ask, without reading the records.
CREATE INDEX film_standing ON film (state, failure, reason, answered_by, received)
  WHERE superseded_by IS NULL;
CREATE INDEX film_decided ON film (decided);
"""

_V3: Final = """
DROP VIEW standing;
DROP INDEX film_state;
DROP INDEX film_superseded;
DROP INDEX film_standing;
DROP INDEX film_decided;
ALTER TABLE film RENAME TO image;              -- one row for each content that ever arrived
ALTER TABLE image RENAME COLUMN number TO id;
ALTER TABLE image RENAME COLUMN deaths TO crash_count;
ALTER TABLE image RENAME COLUMN decided TO classified_at;
ALTER TABLE image RENAME COLUMN answered_by TO predictor;
ALTER TABLE image RENAME COLUMN filed TO published;
ALTER TABLE fact RENAME TO meta;
ALTER TABLE outbox RENAME COLUMN number TO id;
CREATE INDEX image_state ON image (state, id);
CREATE INDEX image_superseded ON image (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX image_current ON image (state, failure, reason, predictor, received)
  WHERE superseded_by IS NULL;
CREATE INDEX image_classified ON image (classified_at);
CREATE VIEW current_image AS     -- images that are not superseded, each with a status for people
  SELECT *, CASE WHEN state = 'failed' AND failure = 'absent' THEN 'absent' ELSE state END
    AS status
  FROM image WHERE superseded_by IS NULL;
"""

_V4: Final = """
ALTER TABLE image ADD COLUMN listed TEXT AS   -- what a list for people says: a finding's state
  (CASE WHEN record IS NULL THEN 'waiting' ELSE json_extract(record, '$.finding.state') END)
  VIRTUAL;
-- A page of a list in the time of its rows, however many images there are.
CREATE INDEX image_listed ON image (listed, received, id, sha256) WHERE superseded_by IS NULL;
"""

_V5: Final = """
ALTER TABLE image ADD COLUMN body_part TEXT AS
  (json_extract(record, '$.finding.body_part')) VIRTUAL;
ALTER TABLE image ADD COLUMN caution TEXT AS (json_extract(record, '$.finding.caution')) VIRTUAL;
-- With all that a list is filtered by: the records are not read for it.
DROP INDEX image_listed;
CREATE INDEX image_listed
  ON image (listed, received, id, sha256, reason, caution, body_part) WHERE superseded_by IS NULL;
CREATE INDEX image_body_part ON image (body_part)
  WHERE superseded_by IS NULL AND body_part IS NOT NULL;
"""

STEPS: Final = (_V1, _V2, _V3, _V4, _V5)
"""Step n takes a journal of version n to version n + 1; never edited after its release."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a journal; read-only."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the journal to the newest version, each step in a transaction with its number.

    The caller holds the lock of the service, see `connection.lock`.

    Raises
    ------
    JournalError
        If the journal was written by a newer bonefx.
    """
    version = version_of(connection)
    if version > len(STEPS):
        msg = (
            f"journal: expected version {len(STEPS)} or older, got {version}; "
            "install the bonefx that wrote it, or a newer one"
        )
        raise JournalError(msg)
    for number, step in enumerate(STEPS[version:], start=version + 1):
        # executescript commits an open transaction first, hence BEGIN inside the script.
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
