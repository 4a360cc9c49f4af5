"""Checks of `edge-admin doctor --dicom`: the listener, and each archive, by C-ECHO."""

import errno
import socket
import ssl
from collections.abc import Iterable
from typing import Final

from bonefx_edge.check import Check, CheckStatus

from bonefx_dicom.implementation import IMPLEMENTATION_CLASS_UID
from bonefx_dicom.sender.archive import (
    CLASSES,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    SECONDARY_CAPTURE,
    TIMEOUT_S,
    RejectedError,
    associate,
)
from bonefx_dicom.sender.destination import Destination

VERIFICATION: Final = "1.2.840.10008.1.1"
PORT_CHECK: Final = "DICOM port"
ECHO_CHECK: Final = "DICOM echo"
ARCHIVE_CHECK: Final = "DICOM archive"
_CALLING, _CALLED = (1, 3), (1, 7)
"""Source and reason of a rejection (PS3.8 table 9-21)."""
_COMPARE_TLS: Final = "compare the TLS settings of both ends"
_REMEDY_OF_SILENCE: Final = {
    True: "with TLS: give --tls-ca, --tls-cert, --tls-key; without: check that it is DICOM's port",
    False: f"{_COMPARE_TLS}; the other end may not accept the certificate of this device",
}
"""Without TLS files, with them."""


def check_network(
    own: Destination, archives: Iterable[Destination], *, tls: ssl.SSLContext | None
) -> list[Check]:
    """Return the checks of the listener at `own`, and of each archive.

    Parameters
    ----------
    own
        AE title, address and port of the listener on this device; the title calls the archives.
    tls
        For the archives, and for a listener that answers no echo without TLS.
    """
    port = _port(own)
    checks = [port]
    if port.status is CheckStatus.OK:
        checks.append(_echo_to_itself(own, tls))
    return checks + [_archive(each, own.ae_title, tls) for each in archives]


def _port(own: Destination) -> Check:
    """Return whether somebody listens; if not, whether the listener could."""
    try:
        socket.create_connection((own.host, own.port), TIMEOUT_S).close()
    except ConnectionRefusedError:
        return _free_port(own)
    except OSError as err:
        return Check(PORT_CHECK, CheckStatus.FAIL, f"{own}: {_words(err)}", _remedy(err))
    return Check(PORT_CHECK, CheckStatus.OK, f"a program listens on {own.host}:{own.port}")


def _free_port(own: Destination) -> Check:
    found = f"nobody listens on {own.host}:{own.port}"
    remedy = "start the listener: sudo systemctl start bonefx-dicom"
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", own.port))
    except PermissionError:
        found += "; this user may not open a port below 1024"
        remedy = "give the listener --port 11112"
    except OSError as err:
        found += f"; the port is not free: {err.strerror}"
        remedy = f"it listens at another address: give --dicom-own {own.ae_title}@ADDRESS:PORT; "
        remedy += "or another program has the port: give edge-dicom listen another --port"
    else:
        found += "; the port is free"
    return Check(PORT_CHECK, CheckStatus.FAIL, found, remedy)


def _echo_to_itself(own: Destination, tls: ssl.SSLContext | None) -> Check:
    """Return whether the listener answers; the name in its certificate is not compared."""
    check = _echo(ECHO_CHECK, own, own.ae_title, None)
    if check.status is not CheckStatus.FAIL or tls is None:
        return check
    tls.check_hostname = False
    try:
        with_tls = _echo(ECHO_CHECK, own, own.ae_title, tls)
    finally:
        tls.check_hostname = True
    return with_tls if with_tls.status is not CheckStatus.FAIL else check


def _archive(archive: Destination, calling: str, tls: ssl.SSLContext | None) -> Check:
    try:
        _connect(archive, tls)
    except OSError as err:
        return Check(ARCHIVE_CHECK, CheckStatus.FAIL, f"{archive}: {_words(err)}", _remedy(err))
    return _echo(ARCHIVE_CHECK, archive, calling, tls)


def _connect(archive: Destination, tls: ssl.SSLContext | None) -> None:
    """Open a connection and close it: its errors say more than those of an association."""
    with socket.create_connection((archive.host, archive.port), TIMEOUT_S) as connection:
        if tls is not None:
            tls.wrap_socket(connection, server_hostname=archive.host).close()


def _echo(name: str, peer: Destination, calling: str, tls: ssl.SSLContext | None) -> Check:
    """Return the outcome of a C-ECHO, and which results the peer takes."""
    try:
        association = associate(peer, calling=calling, tls=tls, classes=(VERIFICATION, *CLASSES))
    except RejectedError as err:
        remedy = _remedy_of_rejection(err, peer, calling)
        return Check(name, CheckStatus.FAIL, f"{peer}: {err}", remedy)
    except ConnectionError:
        found = f"{peer}: the request for an association has no answer"
        return Check(name, CheckStatus.FAIL, found, _REMEDY_OF_SILENCE[tls is None])
    takes = {str(each.abstract_syntax) for each in association.accepted_contexts}
    implementation = association.acceptor.implementation_class_uid
    try:
        status = association.send_c_echo().get("Status") if VERIFICATION in takes else 0
    finally:
        if association.is_established:
            association.release()
    if status != 0:
        found = f"{peer}: no success for an echo, status {_hex(status)}"
        return Check(name, CheckStatus.FAIL, found, "read its log")
    said = f"{peer} answers{'' if tls is None else ' with TLS'}"
    if name == ECHO_CHECK:
        return _is_bonefx(said, implementation)
    return _takes_results(said, takes)


def _is_bonefx(said: str, implementation: str | None) -> Check:
    if implementation == IMPLEMENTATION_CLASS_UID:
        return Check(ECHO_CHECK, CheckStatus.OK, said)
    remedy = "stop the other program, or give edge-dicom listen another --port"
    return Check(ECHO_CHECK, CheckStatus.FAIL, f"{said}, and is not bonefx", remedy)


def _takes_results(said: str, takes: set[str]) -> Check:
    kinds = {
        "structured reports": {COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR} & takes,
        "pictures (Secondary Capture)": {SECONDARY_CAPTURE} & takes,
    }
    lacking = [kind for kind, classes in kinds.items() if not classes]
    if not lacking:
        return Check(ARCHIVE_CHECK, CheckStatus.OK, f"{said} and takes reports and pictures")
    remedy = "allow these SOP classes there, or leave them out with --dicom-object"
    found = f"{said}, but takes no {' and no '.join(lacking)}"
    return Check(ARCHIVE_CHECK, CheckStatus.WARN, found, remedy)


def _remedy_of_rejection(err: RejectedError, peer: Destination, calling: str) -> str:
    if err.reason == _CALLING:
        return f"enter the AE title {calling} with the address of this device at {peer.ae_title}"
    if err.reason == _CALLED:
        return f"its AE title is not {peer.ae_title}: correct it, upper and lower case count"
    return "read its log, and try again later"


def _words(err: OSError) -> str:
    """Return what is wrong with a connection."""
    if isinstance(err, socket.gaierror):
        return "no address is known for this name"
    if isinstance(err, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {err.verify_message}"
    if isinstance(err, ssl.SSLError | ConnectionResetError):
        return "no TLS connection"
    if isinstance(err, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(err, ConnectionRefusedError):
        return "the connection is refused"
    return err.strerror or str(err)


def _remedy(err: OSError) -> str:
    if isinstance(err, socket.gaierror):
        return "correct the name, or give the address"
    if isinstance(err, ssl.SSLCertVerificationError):
        return "give the CA of the archive as --tls-ca, and the name that is in its certificate"
    if isinstance(err, ssl.SSLError | ConnectionResetError):
        return _COMPARE_TLS
    if isinstance(err, ConnectionRefusedError):
        return "start the archive, or correct the port"
    if isinstance(err, TimeoutError) or err.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "correct the address, or open the port in the firewall"
    return "correct address and port"


def _hex(status: int | None) -> str:
    return "none" if status is None else f"{status:04X}"
