"""The DICOM node: which connections and associations are accepted, for which films."""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from socketserver import BaseServer
from typing import Any, Final

from bonefx_edge.decode.dicom.syntaxes import readable_syntaxes
from bonefx_edge.errors import PortError
from bonefx_edge.text import printable
from pynetdicom import AE, build_context, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationServer

from bonefx_dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from bonefx_dicom.listener.counts import Counts
from bonefx_dicom.listener.guard import PDU_TIMEOUT_S, guard
from bonefx_dicom.listener.options import ANY, ListenOptions, Peer

logger = logging.getLogger(__name__)

VERIFICATION: Final = "1.2.840.10008.1.1"
FILM_CLASSES: Final = {
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography Image Storage",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray Image Storage - For Presentation",
}
"""SOP classes of the films that the decoder reads (PS3.4 annex B.5)."""
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
"""Of film digitizers, with Modality RG; also of screenshots, and of results of bonefx."""
_DEFAULT_SYNTAXES: Final = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
ACSE_TIMEOUT_S: Final = 10.0
"""For the association request after the connection."""
IDLE_TIMEOUT_S: Final = 30.0
"""Without a PDU on an association."""
CLOSE_TIMEOUT_S: Final = 2.0
"""For the thread of an association whose connection is closed."""
CONNECTIONS_PER_ASSOCIATION: Final = 2
"""TCP connections, among them silent ones, for each association that is allowed."""
MAX_STRANGERS: Final = 4
"""TCP connections from addresses that are not listed: they get a rejection, no more."""

_PERMANENT, _TRANSIENT = 1, 2
_NO_CALLING = (_PERMANENT, 1, 3)
_NO_CALLED = (_PERMANENT, 1, 7)
_LIMIT = (_TRANSIENT, 3, 2)
"""Result, source, reason of a rejection (PS3.8 table 9-21)."""
_REASONS: Final = {
    _NO_CALLING: "calling_ae_title",
    _NO_CALLED: "called_ae_title",
    _LIMIT: "local_limit",
}


class Node:
    """Accepts associations in threads until it is closed."""

    def __init__(
        self,
        options: ListenOptions,
        *,
        store: Callable[[Any], Any],
        tls: ssl.SSLContext | None,
        counts: Counts,
    ) -> None:
        """Open the port.

        Raises
        ------
        PortError
            The port is in use, needs more rights, or the address is not of this machine.
        """
        loopbacks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
        own = tuple(Peer(options.ae_title, loopback) for loopback in loopbacks)
        self._options, self._peers, self._counts = options, (*options.peers, *own), counts
        entity = AE(ae_title=options.ae_title)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.acse_timeout, entity.network_timeout = ACSE_TIMEOUT_S, IDLE_TIMEOUT_S
        connections = CONNECTIONS_PER_ASSOCIATION * options.max_associations
        # pynetdicom counts silent connections too: associations are counted here.
        entity.maximum_associations = connections + MAX_STRANGERS
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_C_STORE, store),
        ]
        try:
            server = entity.make_server(
                (options.address, options.port),
                ae_title=options.ae_title,
                contexts=offered_contexts(secondary_capture=options.secondary_capture),
                ssl_context=tls,
                evt_handlers=handlers,
                server_class=_Server,
                admits=self._admits,
            )
        except OSError as err:
            msg = (
                f"--port {options.port}: expected a free port, got: {err.strerror or err}; "
                "give another, or another --address"
            )
            raise PortError(msg) from err
        if not isinstance(server, _Server):
            msg = f"expected pynetdicom to make the server asked for, got {type(server).__name__}"
            raise TypeError(msg)
        self._server: _Server = server
        self.port = int(server.socket.getsockname()[1]) if server.socket else 0
        self._thread = threading.Thread(target=server.serve_forever, name="DICOM port", daemon=True)
        self._thread.start()

    @property
    def is_listening(self) -> bool:
        """Whether connections are accepted."""
        return self._thread.is_alive()

    @property
    def associations(self) -> int:
        """Established associations."""
        return sum(each.is_established for each in self._server.active_associations)

    def close(self) -> None:
        """Accept no more, and end all associations: their senders send the film again."""
        BaseServer.shutdown(self._server)
        self._server.server_close()
        associations = self._server.active_associations
        for each in associations:
            connection = each.dul.socket.socket if each.dul.socket else None
            if connection is not None:
                _hang_up(connection)
        for each in associations:
            each.join(CLOSE_TIMEOUT_S)

    def _admits(self, address: str) -> bool:
        """Return whether a further connection from an address is accepted."""
        held = [each.requestor.address for each in self._server.active_associations]
        if not self._is_listed(address):
            strangers = sum(not self._is_listed(each) for each in held)
            return strangers < MAX_STRANGERS
        return len(held) < CONNECTIONS_PER_ASSOCIATION * self._options.max_associations

    def _is_listed(self, address: str) -> bool:
        return any(peer.has(address) for peer in self._peers)

    def _on_requested(self, event: Any) -> None:
        association = event.assoc
        reason = self._rejection(association)
        if reason is None:
            return
        calling = str(association.requestor.primitive.calling_ae_title).strip()
        what = _REASONS[reason]
        self._counts.add("rejected", what)
        where = association.requestor.address
        logger.warning("association of %s@%s rejected: %s", printable(calling), where, what)
        association.acse.send_reject(*reason)
        association.kill()

    def _rejection(self, association: Any) -> tuple[int, int, int] | None:
        request, address = association.requestor.primitive, association.requestor.address
        calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
        listed = [each for each in self._peers if each.has(address)]
        if not any(each.ae_title in (ANY, calling) for each in listed):
            return _NO_CALLING
        if called != self._options.ae_title:
            return _NO_CALLED
        if self.associations >= self._options.max_associations:
            return _LIMIT
        self._counts.add("associations_accepted")
        return None


def offered_contexts(*, secondary_capture: bool) -> list[PresentationContext]:
    """Return what the node accepts: SOP classes with their transfer syntaxes."""
    classes = [*FILM_CLASSES, *([SECONDARY_CAPTURE] if secondary_capture else [])]
    films = [build_context(each, list(readable_syntaxes())) for each in classes]
    return [build_context(VERIFICATION, list(_DEFAULT_SYNTAXES)), *films]


class _Server(AssociationServer):
    """Checks the address before there is a thread; leaves the TLS handshake to that thread."""

    def __init__(self, *args: Any, admits: Callable[[str], bool], **options: Any) -> None:
        self._admits = admits
        super().__init__(*args, **options)
        self.bind(evt.EVT_CONN_OPEN, _guard)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return a connection; one silent client must not keep the others waiting."""
        connection, address = super(AssociationServer, self).get_request()
        connection.settimeout(PDU_TIMEOUT_S)
        if self.ssl_context is not None:
            connection = self.ssl_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, _request: Any, client_address: Any) -> bool:
        """Return whether a connection is accepted; it is closed without an answer otherwise."""
        return self._admits(client_address[0])


def _guard(event: Any) -> None:
    guard(event.assoc)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # the peer may have been faster
        connection.shutdown(socket.SHUT_RDWR)
