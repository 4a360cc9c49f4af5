"""TLS with certificates on both sides (PS3.15 annex B.12, BCP 195)."""

import ssl

from bonefx_edge.errors import UsageError

from bonefx_dicom.listener.options import TlsFiles


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of a server that wants a certificate of each client.

    Raises
    ------
    UsageError
        A file is missing, cannot be read, or holds something else; key and certificate differ.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ValueError) as err:
        msg = f"--tls-cert, --tls-key: expected PEM files that belong together, got: {err}"
        raise UsageError(msg) from err
    try:
        context.load_verify_locations(files.client_ca)
    except (OSError, ValueError) as err:
        msg = f"--tls-client-ca: expected a PEM file of certificates, got: {err}"
        raise UsageError(msg) from err
    return context
