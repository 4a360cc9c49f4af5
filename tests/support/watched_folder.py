"""A folder of films, a service with scripted workers, and a clock that is set by hand."""

import json
import math
import os
import time
from collections import namedtuple

from bonefx_edge.watch.files import stat_signature
from bonefx_edge.watch.folder_claims import RESULTS, claim
from bonefx_edge.watch.intake.intake import Intake
from bonefx_edge.watch.intake.rest import Rest
from bonefx_edge.watch.intake.thread import IntakeThread
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.marked_folder import MarkedFolder
from bonefx_edge.watch.results import ResultFolder
from bonefx_edge.watch.service import (
    Pause,
    Service,
    Settings,
)
from bonefx_edge.watch.workers.canary import Canary
from bonefx_edge.watch.workers.pool import WorkerPool
from bonefx_edge.watch.workers.process import CrashLoopBackoff, WorkerProcess
from bonefx_edge.watch.workers.protocol import WorkerConfig
from inline_intake import InlineIntake
from scripted_worker import jobs_in, program

WALL = 1_800_000_000.0
SETTLE_S = 1.0
A_LITTLE = 0.1
PATIENCE_S = 60.0
Usage = namedtuple("Usage", "free")


class CheckedJournal(Journal):
    """A journal that finds the result on disk, whole, before it calls a film done."""

    place: "Place"

    def finish(self, sha256, record, *, predictor, now, message=None, drift=None):
        if not self.is_superseded(sha256):
            assert json.loads(self.place.result_of(sha256).read_text()) == record
        super().finish(sha256, record, predictor=predictor, now=now, message=message, drift=drift)
        self.place.finished.append(sha256)

    def fail(self, sha256, code, *, now):
        self.place.failed += 1
        return super().fail(sha256, code, now=now)


class FailingResults(ResultFolder):
    """A folder that raises what is put into `trouble` when a result is to be written."""

    def __init__(self, folder):
        super().__init__(folder)
        self.trouble = []

    def publish(self, sha256, record):
        if self.trouble:
            raise self.trouble.pop()
        super().publish(sha256, record)


class Place:
    """A folder of films, a service with scripted workers, and a clock that is set by hand."""

    def __init__(self, folder):
        self.root, self.out, self.heard = folder / "in", folder / "out", folder / "heard"
        self.root.mkdir()
        self.now, self.finished, self.failed, self.spawned = 1000.0, [], 0, []
        self.model, self.clock_set_by = CrashLoopBackoff(), 0.0
        self.asks_canary, self.never_asks = False, False
        self.loading = []
        """How the next workers load; those after them become ready."""
        self.refuses = []
        """What the system says to the next workers that are to be started; None: nothing."""
        self.results = FailingResults(MarkedFolder(self.out, RESULTS))
        self.journal_folder = folder / "journal"
        self.reopen()

    def reopen(self):
        """Open the journal as the service does at its start."""
        self.journal = CheckedJournal.open(self.journal_folder, owner=True)
        self.journal.place = self
        claim(self.journal.connection, self.results.marked, journal=self.journal_folder)

    def begin(
        self, *, workers=1, once=False, min_free_bytes=0, needs_polling=True, threaded=False
    ) -> Service:

        def make(files):
            return Intake(
                os.fsencode(self.root), files, rest=Rest(SETTLE_S), clock=lambda: self.now,
                wall=self.wall, needs_polling=lambda: needs_polling,
            )  # fmt: skip

        if threaded:
            self.intake = IntakeThread(make, journal=self.journal.access, clock=lambda: self.now)
        else:
            self.intake = InlineIntake(make, journal=self.journal_folder)
        self.canary = Canary(self.journal, clock=lambda: self.now)
        self.pool = WorkerPool(
            workers, spawn=self.spawn, canary=self.canary, clock=lambda: self.now
        )
        self.service = Service(
            settings=Settings(self.out, min_free_bytes, once),
            journal=self.journal, intake=self.intake, results=self.results, pool=self.pool,
            clock=lambda: self.now, wall=self.wall,
        )  # fmt: skip
        return self.service

    def wall(self):
        return WALL + self.now + self.clock_set_by

    def tick(self):
        self.now += 1.0

    def spawn(self):
        refused = self.refuses.pop(0) if self.refuses else None
        if refused is not None:
            raise refused
        loading = self.loading.pop(0) if self.loading else "ready"
        worker = WorkerProcess(
            WorkerConfig(root=str(self.root), model="none"),
            backoff=self.model,
            clock=lambda: self.now,
            program=program(self.heard, loading),
        )
        if self.never_asks:
            worker.canary_due = math.inf
        if not self.asks_canary:
            worker.canary_due, worker.is_verified = math.inf, True
        self.spawned.append(worker)
        return worker

    def receive(self, *names):
        """Put films into the folder and the journal, in this order; they are called as named."""
        for name in names:
            self.rewrite(name, name)

    def rewrite(self, name, content):
        (self.root / name).write_text(content)
        signature = stat_signature(os.fsencode(self.root / name))
        with Journal.open(self.journal_folder, owner=False) as journal:
            journal.files.receive(os.fsencode(name), signature, content, now=self.wall())

    def go(self, until):
        """Turn until it is so; the clock goes on while no worker has anything to say."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.service.step()
            if until():
                return
            assert time.monotonic() < end, "waited in vain"
            if self.service.pause is Pause.NONE and any(map(self.will_say, self.pool._workers)):
                self.service.wait()
            elif self.journal.access.is_shut and self.journal.access.users:
                time.sleep(0.01)  # in real time a thread closes its connection
            else:
                self.now += SETTLE_S

    def will_say(self, worker):
        """Return whether to wait for it: loading, at work, or killed and not yet buried."""
        at_rest = worker.predictor and worker.is_idle and not worker._killed
        return not worker.has_exited and not at_rest

    def result_of(self, sha256):
        return self.out / f"{sha256}.json"

    def reasons(self):
        """Return why each film with a current result was refused, None where it was not."""
        results = [json.loads(path.read_text()) for path in self.out.glob("*.json")]
        return {result["sha256"]: result["finding"]["reason"] for result in results}

    def row(self, sha256):
        return self.journal._image(sha256)

    def states(self):
        rows = self.journal._connection.execute("SELECT sha256, state FROM image")
        return {row["sha256"]: row["state"] for row in rows}

    def opened(self):
        """Return the films that workers were told to open, in order."""
        return [name for name, refuse in jobs_in(self.heard) if not refuse]

    def refused_unopened(self):
        return [job for job in jobs_in(self.heard) if job[1]]
