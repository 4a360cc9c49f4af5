"""Build the objects of one result and send them to the archives that do not have them."""

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bonefx_dicom.results.build import build_objects, build_result_report
from bonefx_dicom.results.encode import ResultObject
from bonefx_dicom.results.film import NoStudyError, read_film
from bonefx_dicom.results.kinds import ObjectKind
from bonefx_dicom.sender.archive import (
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    Answer,
    Archive,
    NothingAcceptedError,
    Outcome,
)
from bonefx_dicom.sender.destination import Destination
from bonefx_dicom.sender.history import History, Version
from bonefx_dicom.sender.options import SendOptions
from bonefx_dicom.sender.progress import Progress, note_not_sent
from bonefx_dicom.sender.result import FilmError, ResultMessage, read_film_bytes, read_result


class Sending:
    """One message on its way to all destinations."""

    def __init__(self, options: SendOptions, message: ResultMessage, progress: Progress) -> None:
        self._options, self._message, self._progress = options, message, progress

    def run(self) -> bool:
        """Return whether the message is done: sent, or given up."""
        waiting = self._progress.waiting(self._options.destinations)
        # First: it is not there either if the disk is away that films and results are on.
        finding, when = read_result(self._message, self._options.results)
        try:
            data = read_film_bytes(self._message, finding["path"], self._options.films)
            reports = _Reports(self._options, self._message, data, (finding, when))
        except NoStudyError:
            return True  # a film that is no DICOM image of a study
        except FilmError as err:
            if err.may_change and not self._progress.waited_for_film():
                sys.stderr.write(f"{err}\n")
                return False
            for each in waiting:
                self._give_up(str(each), str(err))
            return True
        # Each destination is tried: one that fails must not keep the others waiting.
        sent = [self._send_to(each, reports) for each in waiting]
        return all(sent)

    def _send_to(self, destination: Destination, reports: "_Reports") -> bool:
        if self._progress.is_paused(destination):
            return False
        options = self._options
        try:
            with Archive(destination, calling=options.calling, tls=options.tls) as archive:
                answers = [
                    (each, self._store(archive, each)) for each in reports.objects_for(archive)
                ]
        except ConnectionError as err:
            self._progress.pause(destination)
            if isinstance(err, NothingAcceptedError) and self._progress.waited_for(destination):
                self._give_up(str(destination), str(err))
                self._progress.note(destination)
                return True
            sys.stderr.write(f"{destination}: {err}\n")
            return False
        self._progress.note_accepted(destination)
        for each, answer in answers:
            if answer.outcome is Outcome.RETRY:
                sys.stderr.write(f"{destination}: {each.kind}: {answer.cause}\n")
                return False
        for each, answer in answers:
            if answer.outcome is Outcome.PERMANENT:
                self._give_up(str(destination), f"{each.kind}: {answer.cause}")
            else:
                reports.note(each)
        self._progress.note(destination)
        return True

    def _store(self, archive: Archive, each: ResultObject) -> Answer:
        with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
            file.write(each.data)
            file.flush()
            return archive.store(Path(file.name), sop_class=each.reference.sop_class_uid)

    def _give_up(self, to: str, cause: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        note_not_sent(self._options.results, self._message.sha256, to=to, cause=cause, now=now)
        sys.stderr.write(f"{to}: will not be sent: {cause}\n")


class _Reports:
    """The objects of one result; reports by the SOP class that an archive takes."""

    def __init__(
        self,
        options: SendOptions,
        message: ResultMessage,
        data: bytes,
        result: tuple[dict[str, Any], datetime],
    ) -> None:
        self._data, self._kinds, results = data, options.kinds, options.results
        self._finding, self._when = result
        self._version = Version(message.sha256, self._when.isoformat())
        film_uid = read_film(data).sop_instance_uid
        self._history: Callable[[str], History] = lambda sop_class: History(
            results, film_uid=film_uid, sop_class=sop_class
        )
        replaces = self._history(COMPREHENSIVE_3D_SR).predecessor(self._version)
        self._objects = build_objects(
            data, self._finding, self._when, kinds=options.kinds, replaces=replaces
        )

    def objects_for(self, archive: Archive) -> list[ResultObject]:
        """Return the objects, with the older kind of report where the archive takes no other."""
        is_older = archive.takes(COMPREHENSIVE_SR) and not archive.takes(COMPREHENSIVE_3D_SR)
        if ObjectKind.SR not in self._kinds or not is_older:
            return self._objects
        replaces = self._history(COMPREHENSIVE_SR).predecessor(self._version)
        older = build_result_report(
            self._data, self._finding, self._when, replaces=replaces, is_3d=False
        )
        others = [
            each for each in self._objects if each.reference.sop_class_uid != COMPREHENSIVE_3D_SR
        ]
        return [older, *others]

    def note(self, each: ResultObject) -> None:
        """Note a report that was stored: the next one of this film refers to it."""
        sop_class = each.reference.sop_class_uid
        if sop_class in (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR):
            self._history(sop_class).note(self._version, each.reference)
