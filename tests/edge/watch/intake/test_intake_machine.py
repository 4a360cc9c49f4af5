"""Whatever happens in the folder: nothing unsettled, nothing twice, nothing forgotten."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.intake.rescan import RESCAN_EVENTS_S
from bonefx_edge.watch.intake.rest import Rest
from bonefx_edge.watch.journal.file_index import FileIndex
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.states import Receipt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

pytestmark = pytest.mark.slow

SETTLE_S = 2.0
NAMES = st.sampled_from(
    ["a.png", "a.png", "sub/c.png", "sub/deep/d.jpg", "e.png.part", "Thumbs.db"]
)
CONTENTS = st.integers(0, 2).map(lambda n: b"film %d " % n * 50)


class Recorded(FileIndex):
    """An index that checks what it is given at the moment it is given."""

    machine: "Folder"

    def receive(self, path, signature, sha256, *, now, reclassify=False):
        receipt = super().receive(path, signature, sha256, now=now, reclassify=reclassify)
        self.machine.received(os.fsdecode(path), sha256, receipt)
        return receipt


class Folder(RuleBasedStateMachine):
    """A folder with films, a clock, and an intake that is ended and begun again."""

    files = Bundle("files")

    @initialize(silent=st.booleans())
    def begin(self, silent):
        self.place = Path(tempfile.mkdtemp())
        self.root = self.place / "in"
        self.root.mkdir()
        self.silent, self.now = silent, 1000.0
        self.changed_at: dict[str, float] = {}
        self.new: set[str] = set()
        self.open()

    def open(self):
        self.journal = Journal.open(self.place / "journal", owner=True)
        files = Recorded(self.journal._connection)
        files.machine = self
        self.intake = Intake(
            os.fsencode(self.root), files, rest=Rest(SETTLE_S), clock=lambda: self.now,
            wall=lambda: 1e9 + self.now, needs_polling=lambda: self.silent,
        )  # fmt: skip

    def received(self, name: str, sha256: str, receipt: Receipt) -> None:
        assert name in self.changed_at, "a file that nobody made"
        assert self.now - self.changed_at[name] >= SETTLE_S, "handed out before it was settled"
        assert hashlib.sha256((self.root / name).read_bytes()).hexdigest() == sha256
        if receipt is Receipt.NEW:
            assert sha256 not in self.new, "the same content was new twice"
            self.new.add(sha256)

    # ---- what happens ----

    @rule(target=files, name=NAMES, content=CONTENTS)
    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.changed_at[name] = self.now
        return name

    @rule(name=files, content=CONTENTS)
    def append(self, name, content):
        if (self.root / name).exists():
            with (self.root / name).open("ab") as stream:
                stream.write(content)
            self.changed_at[name] = self.now

    @rule(target=files, name=NAMES, content=CONTENTS)
    def rename_into_place(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(".partial")
        partial.write_bytes(content)
        partial.rename(path)
        self.changed_at[name] = self.now
        return name

    @rule(name=consumes(files))
    def remove(self, name):
        (self.root / name).unlink(missing_ok=True)

    @rule()
    def move_the_sub_folder(self):
        if (self.root / "sub").exists() and not (self.root / "moved").exists():
            (self.root / "sub").rename(self.root / "moved")
            for name in list(self.changed_at):
                if name.startswith("sub/"):
                    # The time of the name does not matter: content and its age move along.
                    self.changed_at[f"moved/{name.removeprefix('sub/')}"] = self.changed_at[name]

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 1.9, 2.0, 2.5, 70.0]), turns=st.integers(0, 12))
    def wait(self, seconds, turns):
        self.now += seconds
        for _ in range(turns):
            self.intake.step()

    @rule()
    def kill_and_begin_again(self):
        self.intake.close()
        self.journal.close()
        self.open()

    # ---- what must be true at the end ----

    def teardown(self):
        if not hasattr(self, "place"):
            return
        for _ in range(3):  # a walk, rest, and a walk for what moved in between
            self.now += max(RESCAN_EVENTS_S, SETTLE_S) + 1
            for _ in range(50):
                self.intake.step()
        assert self.intake.is_idle
        there = set()
        for path in self.root.rglob("*"):
            if path.is_file() and path.name not in ("Thumbs.db", "e.png.part", ".partial"):
                sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                there.add(os.fsencode(path.relative_to(self.root)))
                row = self.journal._image(sha256)
                assert row is not None, f"{path} was forgotten"
                assert row["superseded_by"] is None, f"{path} counts as rewritten"
        assert set(self.journal.files.present_files(after=b"", limit=100)) == there
        self.intake.close()
        self.journal.close()
        shutil.rmtree(self.place)


Folder.TestCase.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestFolder = Folder.TestCase
