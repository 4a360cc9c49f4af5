"""Limits on what a peer may send: bytes of a PDU, unfinished messages, and time."""

import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pynetdicom.association import Association

MAX_PDU_BYTES: Final = 128 * 1024
"""Of any PDU. Data PDUs of 16 KiB are announced; the largest association request seen has 20."""
MAX_MESSAGE_BYTES: Final = 64 * 1024
"""Of a command, or of a data set that is none to store: kept in memory."""
MAX_WAITING: Final = 2
"""Requests that wait for their turn. A sender waits for each answer (PS3.7 annex D.3.3.3)."""
PDU_TIMEOUT_S: Final = 30.0
"""For one whole PDU."""
_READ_BYTES: Final = 1 << 16


def guard(association: "Association") -> None:
    """Limit what is received on an association that has just been connected.

    pynetdicom 3.0 reads as many bytes as the header of a PDU says, before it knows the AE
    titles: six bytes from any machine take all memory.
    """
    vars(association.dul.socket)["recv"] = _Receiver(association)


class _Receiver:
    """Reads from the socket in place of `AssociationSocket.recv`."""

    def __init__(self, association: "Association") -> None:
        self._association = association

    def __call__(self, nr_bytes: int) -> bytearray:
        """Return exactly `nr_bytes`, less where the peer closed the connection.

        Raises
        ------
        OSError
            A limit is exceeded, or the connection is lost: pynetdicom closes it.
        """
        if nr_bytes > MAX_PDU_BYTES or self._holds_too_much():
            msg = "the peer exceeds a limit"
            raise OSError(msg)
        held = self._association.dul.socket
        connection = held.socket if held else None
        if connection is None:
            msg = "the connection is closed"
            raise OSError(msg)
        end = time.monotonic() + PDU_TIMEOUT_S
        received = bytearray()
        while len(received) < nr_bytes:
            connection.settimeout(max(0.001, end - time.monotonic()))
            part = connection.recv(min(_READ_BYTES, nr_bytes - len(received)))
            if not part:
                break
            received += part
            # Without it many senders wait 40 ms for the acknowledgment between two PDUs (tcp(7)):
            # dcmtk sends 21 films per second. Linux forgets the setting, so it is set each time.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        connection.settimeout(PDU_TIMEOUT_S)  # for what is sent
        return received

    def _holds_too_much(self) -> bool:
        dimse = self._association.dimse
        if dimse.msg_queue.qsize() > MAX_WAITING:
            return True
        message = dimse.message
        if message is None:
            return False
        # A data set that goes to disk leaves its buffer empty.
        buffers = (message.encoded_command_set, message.data_set)
        size = sum(buffer.tell() for buffer in buffers if buffer is not None)
        return size > MAX_MESSAGE_BYTES
