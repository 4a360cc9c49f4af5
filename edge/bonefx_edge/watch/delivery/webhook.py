"""Deliver messages to a webhook: one POST for each message, signed if a secret is given."""

import email.message
import email.utils
import hashlib
import hmac
import http.client
import logging
import os
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.delivery.relay import DeliveryError
from bonefx_edge.watch.files import error_name

logger = logging.getLogger(__name__)

WEBHOOK_TIMEOUT_S: Final = 10.0
"""Of one socket operation: connecting, sending, or waiting for the response."""
SIGNATURE_HEADER: Final = "X-Bonefx-Signature"
"""Has the value `sha256=` and the hexadecimal HMAC-SHA256 of the body."""
_CAUSES: Final[dict[type[Exception], str]] = {
    socket.gaierror: "DNS: the name of the host was not found",
    TimeoutError: f"time-out, no response within {WEBHOOK_TIMEOUT_S:g} s",
    ConnectionRefusedError: "connection refused",
    http.client.RemoteDisconnected: "the connection was closed without a response",
}
_HEADER_LINE: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*): +(\S.*)")
_PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")


class WebhookSink:
    """Posts a message to a URL as JSON; any 2xx status is success.

    No proxy of the environment is used, and no redirect is followed: results of patients go to the
    receiver that was named, and to no other.
    """

    def __init__(
        self,
        url: str,
        *,
        token_file: Path | None = None,
        secret_file: Path | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """Check the options; the files of token and secret are read again for each message.

        Parameters
        ----------
        url
            Of the receiver.
        token_file
            One line: a bearer token, or a header such as `X-Api-Key: VALUE`.
        secret_file
            One line: the key of the signature.
        ca_file
            Certificates in PEM that are trusted instead of those of the system.

        Raises
        ------
        UsageError
            Not a valid http or https URL, or a file that cannot be used.
        """
        if not _is_valid_url(url):
            # The URL is not quoted: it may contain a secret.
            msg = (
                "--webhook: expected a URL such as https://host/path, in ASCII, without user name "
                "and password, got another"
            )
            raise UsageError(msg)
        self._url, self._token_file, self._secret_file = url, token_file, secret_file
        try:
            self._headers(b"")
        except DeliveryError as err:
            raise UsageError(str(err)) from err
        self._opener = urllib.request.build_opener(
            _NoRedirect,
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=_tls_context(ca_file)),
        )
        if any(name in os.environ for name in _PROXY_VARIABLES):
            logger.warning("the proxy of the environment is not used for --webhook")

    def __call__(self, body: bytes) -> None:
        """Post `body`.

        Raises
        ------
        DeliveryError
            The receiver was not reached, or did not accept it.
        """
        headers = self._headers(body)
        request = urllib.request.Request(self._url, data=body, headers=headers)  # noqa: S310
        try:
            self._opener.open(request, timeout=WEBHOOK_TIMEOUT_S).close()
        except urllib.error.HTTPError as err:
            with err:
                raise _status_error(err) from err
        except (OSError, http.client.HTTPException) as err:
            cause = err.reason if isinstance(err, urllib.error.URLError) else err
            msg = f"the webhook could not be reached: {_explain(cause)}"
            raise DeliveryError(msg) from err

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._token_file is not None:
            token = _read_line(self._token_file, option="--webhook-token-file")
            named = _HEADER_LINE.fullmatch(token)
            headers |= {named[1]: named[2]} if named else {"Authorization": f"Bearer {token}"}
        if self._secret_file is not None:
            secret = _read_line(self._secret_file, option="--webhook-secret-file")
            digest = hmac.new(secret.encode("ascii"), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        return headers


def _is_valid_url(url: str) -> bool:
    """Return whether the text is a URL that a message can be posted to."""
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises if it is not a number
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and bool(host) and is_plain


def _read_line(path: Path, *, option: str) -> str:
    """Return the only line of a file; its text is in no error."""
    try:
        text = path.read_bytes().decode("ascii").strip()
    except OSError as err:
        msg = f"{option}: cannot read the file ({err.strerror})"
        raise DeliveryError(msg) from err
    except UnicodeDecodeError as err:
        msg = f"{option}: expected ASCII text"
        raise DeliveryError(msg) from err
    if not text or not text.isprintable():
        msg = f"{option}: expected one line of text, got {'none' if not text else 'several'}"
        raise DeliveryError(msg)
    return text


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
        cause = "no certificate in it" if isinstance(err, ssl.SSLError) else err
        msg = f"--webhook-ca-file: expected a file of certificates in PEM, error: {cause}"
        raise UsageError(msg) from err


def _status_error(err: urllib.error.HTTPError) -> DeliveryError:
    is_gone = err.code == HTTPStatus.GONE
    advice = ", the receiver is gone: change --webhook" if is_gone else ""
    return DeliveryError(
        f"the webhook returned HTTP status {err.code}{advice}",
        retry_after_s=_retry_after_s(err.headers),
        is_permanent=is_gone,
    )


def _retry_after_s(headers: email.message.Message) -> float:
    """Return the seconds of a Retry-After header (RFC 9110 10.2.3), 0 without a valid one.

    A date is compared with the response's own: the clock of this device may be wrong.
    """
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    until, now = _http_date(value), _http_date(headers.get("Date", ""))
    return 0.0 if until is None else max(0.0, until - (time.time() if now is None else now))


def _http_date(value: str) -> float | None:
    """Return a date of a header in seconds since 1970, None if it is none."""
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None


def _explain(cause: object) -> str:
    """Return why a receiver was not reached, in a few words and without its address."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: certificate not trusted ({cause.verify_message}); see --webhook-ca-file"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {cause.reason or 'handshake failed'}"
    for kind, words in _CAUSES.items():
        if isinstance(cause, kind):
            return words
    if isinstance(cause, OSError) and cause.errno:
        return error_name(cause)
    return f"no valid HTTP response ({type(cause).__name__})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: urllib would repeat the POST as a GET without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None
