"""Deliver messages to a webhook: one POST for each message."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from bonefx_edge.errors import UsageError
from bonefx_edge.watch.delivery.relay import DeliveryError

WEBHOOK_TIMEOUT_S: Final = 10.0
"""Of one socket operation: connecting, sending, or waiting for the response."""


def webhook_sink(url: str) -> Callable[[bytes], None]:
    """Return a sink that posts the message to a URL as JSON; any 2xx status is success.

    Raises
    ------
    UsageError
        Not a valid http or https URL.
    """
    if not _is_valid_url(url):
        # The URL is not quoted: it may contain a secret.
        msg = (
            "--webhook: expected a URL such as https://host/path, in ASCII, without user name and "
            "password, got another"
        )
        raise UsageError(msg)
    opener = urllib.request.build_opener(_NoRedirect)
    return lambda body: _post(opener, url, body)


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


def _post(opener: urllib.request.OpenerDirector, url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 -- checked
    try:
        opener.open(request, timeout=WEBHOOK_TIMEOUT_S).close()
    except urllib.error.HTTPError as err:
        msg = f"the webhook returned HTTP status {err.code}"
        err.close()
        raise DeliveryError(msg) from err
    except (OSError, http.client.HTTPException) as err:
        msg = f"the webhook could not be reached: {type(err).__name__}"
        raise DeliveryError(msg) from err


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: urllib would repeat the POST as a GET without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None
