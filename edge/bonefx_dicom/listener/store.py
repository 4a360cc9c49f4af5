"""Answer C-STORE requests: a success status only for a film that is durable on disk."""

import logging
import re
from pathlib import Path
from typing import Any, Final

from bonefx_edge.text import printable
from pydicom.dataset import Dataset

from bonefx_dicom.listener.counts import Counts
from bonefx_dicom.listener.incoming import Fault, IncomingFile, IncomingFiles
from bonefx_dicom.results.own_objects import is_own_file

logger = logging.getLogger(__name__)

SUCCESS: Final = 0x0000
NOT_AUTHORIZED: Final = 0x0124
INVALID_INSTANCE: Final = 0x0117
CLASS_NOT_SUPPORTED: Final = 0x0122
"""PS3.7 annex C."""
ELEMENTS_DISCARDED: Final = 0xB006
"""A warning: the sender need not send again."""
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
"""PS3.4 table B.2-1."""
_UID: Final = re.compile(r"[0-9.]{1,64}", re.ASCII)
"""Of an instance: it becomes the name of a file."""
_FAULTS: Final = {
    Fault.DISK_LOW: (OUT_OF_RESOURCES, "disk almost full, send again later"),
    Fault.DISK_ERROR: (OUT_OF_RESOURCES, "disk cannot be written, send again later"),
    Fault.TOO_LARGE: (CANNOT_UNDERSTAND, "more bytes than are read"),
}


class Store:
    """The handler of `pynetdicom.evt.EVT_C_STORE`; called by the threads of all associations."""

    def __init__(
        self, folder: Path, files: IncomingFiles, *, own_title: str, counts: Counts
    ) -> None:
        """Films are stored in `folder`; what this node sends to itself is only an echo."""
        self._folder, self._files, self._counts = folder, files, counts
        self._own_title = own_title

    def __call__(self, event: Any) -> Dataset:
        """Return the status of a C-STORE request, with a comment where it is no success."""
        incoming = self._files.take(event.dataset_path)
        if incoming is None:
            return _status(OUT_OF_RESOURCES, "association ended")
        status, comment = self._store(event, incoming)
        if status == SUCCESS:
            self._counts.add("stored")
            return _status(status, comment)
        incoming.discard()
        if status == ELEMENTS_DISCARDED:
            self._counts.add("own_results")
        else:
            self._counts.add("not_stored", f"{status:04X}")
            title = printable(str(event.assoc.requestor.ae_title).strip())
            logger.warning("film of %s not stored: %04X, %s", title, status, comment)
        return _status(status, comment)

    def _store(self, event: Any, incoming: IncomingFile) -> tuple[int, str]:
        request = event.request
        uid = str(request.AffectedSOPInstanceUID or "")
        if str(event.assoc.requestor.ae_title).strip() == self._own_title:
            return NOT_AUTHORIZED, "own AE title may only echo"
        if request.AffectedSOPClassUID != event.context.abstract_syntax:
            return CLASS_NOT_SUPPORTED, "SOP class of another presentation context"
        # A name of dots only, or with one at its start, would be a hidden file or a folder.
        if not _UID.fullmatch(uid) or uid.startswith("."):
            return INVALID_INSTANCE, "SOP Instance UID is no UID"
        if incoming.fault is not None:
            return _FAULTS[incoming.fault]
        if is_own_file(Path(incoming.name)):
            return ELEMENTS_DISCARDED, "result of bonefx, passed over"
        try:
            incoming.publish(self._folder / f"{uid}.dcm")
        except OSError:
            return _FAULTS[Fault.DISK_ERROR]
        return SUCCESS, ""


def _status(status: int, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment
    return answer
