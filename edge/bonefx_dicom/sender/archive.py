"""Send objects to one archive over one association."""

import ssl
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from pynetdicom import AE, _config

from bonefx_dicom.implementation import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    silence,
)
from bonefx_dicom.sender.destination import Destination

TIMEOUT_S: Final = 5.0
"""For the connection, the association, and each answer."""
COMPREHENSIVE_3D_SR: Final = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE_SR: Final = "1.2.840.10008.5.1.4.1.1.88.33"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
PRESENTATION_STATE: Final = "1.2.840.10008.5.1.4.1.1.11.1"
"""Grayscale Softcopy Presentation State Storage."""
CLASSES: Final = (COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, SECONDARY_CAPTURE, PRESENTATION_STATE)
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_ACCEPTED: Final = 0
"""Result of an association request (PS3.8 table 9-17)."""
_SUCCESS: Final = 0x0000
_DUPLICATE: Final = 0x0111
"""The archive has an object of this UID already: the same one."""
_CLASS_NOT_SUPPORTED: Final = 0x0122
_WARNING, _MISMATCH, _NOT_UNDERSTOOD = 0xB, 0xA9, 0xC
"""Leading digits of a status (PS3.4 table B.2-1)."""


class Outcome(StrEnum):
    """What an archive did with an object."""

    STORED = "stored"
    RETRY = "retry"
    """It may take the object later."""
    PERMANENT = "permanent"
    """It will not take this object."""


class Answer(NamedTuple):
    """Outcome and its cause, without patient data."""

    outcome: Outcome
    cause: str = ""


class RejectedError(ConnectionError):
    """The peer rejects the association, and says why."""

    def __init__(self, primitive: Any) -> None:
        """Take the reason from pynetdicom's A-ASSOCIATE response."""
        super().__init__(f"rejected: {primitive.reason_str}")
        self.reason: tuple[int, int] = (primitive.result_source, primitive.diagnostic)
        """Source and reason (PS3.8 table 9-21)."""


class NothingAcceptedError(ConnectionError):
    """The peer accepts the association, but none of the SOP classes."""


def associate(
    destination: Destination, *, calling: str, tls: ssl.SSLContext | None, classes: Sequence[str]
) -> Any:
    """Return an established association of pynetdicom that proposes these SOP classes.

    Raises
    ------
    RejectedError
        The peer rejects it.
    NothingAcceptedError
        The peer takes no object of these classes.
    ConnectionError
        The peer cannot be reached, or ends the connection.
    """
    silence()
    entity = AE(ae_title=calling)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.connection_timeout = entity.acse_timeout = TIMEOUT_S
    entity.dimse_timeout = entity.network_timeout = TIMEOUT_S
    for sop_class in classes:
        entity.add_requested_context(sop_class, _EXPLICIT)
    association: Any = entity.associate(
        destination.host,
        destination.port,
        ae_title=destination.ae_title,
        tls_args=None if tls is None else (tls, destination.host),
    )
    if association.is_established:
        return association
    answer = association.acceptor.primitive
    if answer is not None and association.is_rejected:
        raise RejectedError(answer)
    # pynetdicom aborts an association that was accepted without any presentation context.
    if answer is not None and answer.result == _ACCEPTED:
        msg = "none of the SOP classes is accepted"
        raise NothingAcceptedError(msg)
    msg = "no association"
    raise ConnectionError(msg)


class Archive:
    """An established association; use it as a context manager."""

    def __init__(
        self, destination: Destination, *, calling: str, tls: ssl.SSLContext | None
    ) -> None:
        """Open the association.

        Raises
        ------
        ConnectionError
            The archive cannot be reached, or rejects the association.
        """
        # Bytes of the file as they are: pydicom would decode and encode the names again.
        _config.STORE_SEND_CHUNKED_DATASET = True
        self._association = associate(destination, calling=calling, tls=tls, classes=CLASSES)

    def __enter__(self) -> "Archive":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the association."""
        if self._association.is_established:
            self._association.release()

    def takes(self, sop_class: str) -> bool:
        """Return whether a presentation context for a SOP class was accepted."""
        accepted: Sequence[Any] = self._association.accepted_contexts
        return any(each.abstract_syntax == sop_class for each in accepted)

    def store(self, path: Path, *, sop_class: str) -> Answer:
        """Send the DICOM file at a path."""
        if not self.takes(sop_class):
            return Answer(Outcome.PERMANENT, f"no presentation context for {sop_class}")
        try:
            status = self._association.send_c_store(path).get("Status")
        except RuntimeError:
            return Answer(Outcome.RETRY, "the association ended")
        if status is None:
            return Answer(Outcome.RETRY, "no answer")
        return judge(int(status))


def judge(status: int) -> Answer:
    """Return the outcome of a C-STORE status.

    >>> judge(0xB006).outcome, judge(0xA700).outcome, judge(0xC123).outcome
    (<Outcome.STORED: 'stored'>, <Outcome.RETRY: 'retry'>, <Outcome.PERMANENT: 'permanent'>)
    """
    if status in (_SUCCESS, _DUPLICATE) or status >> 12 == _WARNING:
        return Answer(Outcome.STORED)
    is_permanent = status >> 8 == _MISMATCH or status >> 12 == _NOT_UNDERSTOOD
    if is_permanent or status == _CLASS_NOT_SUPPORTED:
        return Answer(Outcome.PERMANENT, f"status {status:04X}")
    return Answer(Outcome.RETRY, f"status {status:04X}")
