"""Messages for a webhook: one POST each, and words for why one was not delivered."""

import hashlib
import hmac
import socket
import ssl
import threading
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.delivery.relay import DeliveryError
from bonefx_edge.watch.delivery.webhook import SIGNATURE_HEADER, WebhookSink

CERTIFICATE = Path(__file__).parents[3] / "support/localhost.pem"
"""Of localhost and 127.0.0.1, with its key, for 100 years; nobody trusts it."""


class Came(list):
    """What came to a receiver: method, type and body; beside it the headers."""

    def __init__(self):
        super().__init__()
        self.headers = []


class _Quiet(HTTPServer):
    def handle_error(self, _request, _address):
        """Print nothing about a client that did not like the certificate."""


@contextmanager
def receiver(code, *, tls=False, send_date=True, **headers):
    """Yield the address of a server that answers so, and what came there."""
    came = Came()
    shown = came.headers

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.command, self.headers["Content-Type"], body))
            shown.append(self.headers)
            (self.send_response if send_date else self.send_response_only)(code)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def do_GET(self):
            came.append(("GET", None, b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = _Quiet(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("code", [200, 202, 204])
def test_a_webhook_is_posted_json_and_takes_it_by_any_2xx(code):
    with receiver(code) as (url, came):
        WebhookSink(url)(b'{"a": 1}')
    assert came == [("POST", "application/json", b'{"a": 1}')]


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_any_other_answer_has_not_taken_it(code):
    with receiver(code) as (url, _), pytest.raises(DeliveryError, match=str(code)):
        WebhookSink(url)(b"{}")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed_for_it_would_lose_the_message(code):
    with receiver(code, Location="/elsewhere") as (url, came):
        with pytest.raises(DeliveryError, match=str(code)):
            WebhookSink(url)(b"{}")
        assert [method for method, _, _ in came] == ["POST"]


def test_what_is_no_http_has_not_taken_it():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as line:
                line.recv(65536)
                line.sendall(b"220 mail here\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DeliveryError, match="could not be reached"):
            WebhookSink(f"http://127.0.0.1:{server.getsockname()[1]}")(b"{}")
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "ftp://x",
        "example.org",
        "http://",
        "http://a..b/",
        "http://x/ü",
        "http://x:port/",
        "https://user:secret@x/",
        "http://x/a b",
    ],
)
def test_an_address_of_another_kind_is_refused_and_not_quoted(url):
    with pytest.raises(UsageError, match="--webhook: expected") as caught:
        WebhookSink(url)
    assert not url or url not in str(caught.value)


# ---- why it was not delivered ----


def cause(url, **options):
    """Return the words of why a receiver did not get a message."""
    with pytest.raises(DeliveryError) as caught:
        WebhookSink(url, **options)(b"{}")
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_a_certificate_that_is_not_trusted_is_named():
    with receiver(200, tls=True) as (url, came):
        words = cause(f"{url}/secret")
    assert "TLS: certificate not trusted (self-signed certificate)" in words
    assert "--webhook-ca-file" in words
    assert came == []


def test_a_certificate_of_ones_own_is_trusted_if_its_file_is_given():
    with receiver(200, tls=True) as (url, came):
        WebhookSink(url, ca_file=CERTIFICATE)(b"{}")
    assert len(came) == 1


def test_a_receiver_that_speaks_no_tls_is_named():
    with receiver(200) as (url, _):
        assert "TLS: " in cause(url.replace("http:", "https:"))


def test_a_name_that_is_not_known_is_named():
    assert "DNS: the name of the host was not found" in cause("http://no-such-host.invalid/secret")


def test_a_refused_connection_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "connection refused" in cause(f"http://127.0.0.1:{port}/secret")


def test_a_receiver_that_says_nothing_is_named(monkeypatch):
    monkeypatch.setattr("bonefx_edge.watch.delivery.webhook.WEBHOOK_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "time-out" in cause(f"http://127.0.0.1:{port}/secret")


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        (formatdate(4e9, usegmt=True), 1e9, 4e9),
        ("9" * 400, 1e9, float("inf")),
        (formatdate(1e9, usegmt=True), 0, 0),  # is over
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("", 0, 0),
    ],
)
def test_a_pause_that_the_receiver_asks_for_is_known(value, least, most):
    with receiver(503, Retry_After=value) as (url, _), pytest.raises(DeliveryError) as caught:
        WebhookSink(url)(b"{}")
    assert least <= caught.value.retry_after_s <= most
    assert not caught.value.is_permanent


def test_a_pause_until_a_date_is_measured_by_the_clock_of_the_receiver():
    dates = {"Date": formatdate(4e9, usegmt=True), "Retry_After": formatdate(4e9 + 9, usegmt=True)}
    with (
        receiver(503, send_date=False, **dates) as (url, _),
        pytest.raises(DeliveryError) as caught,
    ):
        WebhookSink(url)(b"{}")
    assert caught.value.retry_after_s == 9


def test_a_receiver_that_is_gone_for_good_is_not_tried_again():
    with (
        receiver(410) as (url, _),
        pytest.raises(DeliveryError, match="change --webhook") as caught,
    ):
        WebhookSink(url)(b"{}")
    assert caught.value.is_permanent


# ---- what the receiver is shown ----


def line(path, text):
    path.write_text(text)
    return path


def test_a_token_from_a_file_is_shown_and_read_again(tmp_path):
    token = line(tmp_path / "token", "abc\n")
    with receiver(200) as (url, came):
        sink = WebhookSink(url, token_file=token)
        sink(b"{}")
        line(token, "X-Api-Key: def\n")
        sink(b"{}")
    first, second = came.headers
    assert first["Authorization"] == "Bearer abc"
    assert (second["Authorization"], second["X-Api-Key"]) == (None, "def")


def test_a_message_is_signed_with_the_key_of_a_file(tmp_path):
    with receiver(200) as (url, came):
        WebhookSink(url, secret_file=line(tmp_path / "key", "s3cret\n"))(b'{"a": 1}')
    digest = hmac.new(b"s3cret", b'{"a": 1}', hashlib.sha256).hexdigest()
    assert came.headers[0][SIGNATURE_HEADER] == f"sha256={digest}"


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "schl\u00fcssel"])
@pytest.mark.parametrize("option", ["token_file", "secret_file"])
def test_a_file_without_one_line_of_ascii_is_refused_and_not_quoted(tmp_path, option, text):
    words = f"--webhook-{option.replace('_', '-')}: expected"
    with pytest.raises(UsageError, match=words) as caught:
        WebhookSink("http://127.0.0.1:9/", **{option: line(tmp_path / "file", text)})
    assert not text.strip() or text not in str(caught.value)


@pytest.mark.parametrize("option", ["token_file", "secret_file", "ca_file"])
def test_a_file_that_is_not_there_is_refused_at_the_start(tmp_path, option):
    with pytest.raises(UsageError, match=option.replace("_", "-")):
        WebhookSink("http://127.0.0.1:9/", **{option: tmp_path / "absent"})


def test_a_token_file_that_goes_away_is_waited_for(tmp_path):
    token = line(tmp_path / "token", "abc")
    sink = WebhookSink("http://127.0.0.1:9/", token_file=token)
    token.unlink()
    with pytest.raises(DeliveryError, match="cannot read the file"):
        sink(b"{}")


def test_a_file_without_certificates_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--webhook-ca-file: expected"):
        WebhookSink("http://127.0.0.1:9/", ca_file=line(tmp_path / "ca", "nothing"))


def test_the_proxy_of_the_environment_is_not_used_and_that_is_said(monkeypatch, caplog):
    with receiver(200) as (url, came), receiver(200) as (proxy, passed):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        WebhookSink(url)(b"{}")
    assert (len(came), len(passed)) == (1, 0)
    assert "proxy of the environment is not used" in caplog.text
