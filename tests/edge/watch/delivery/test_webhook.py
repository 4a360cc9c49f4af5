"""Messages for a webhook: one POST each, and words for why one was not delivered."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.delivery.relay import DeliveryError
from bonefx_edge.watch.delivery.webhook import webhook_sink


@contextmanager
def receiver(code, **headers):
    """Yield the address of a server that answers so, and what came there."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.command, self.headers["Content-Type"], body))
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self):
            came.append(("GET", None, b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("code", [200, 202, 204])
def test_a_webhook_is_posted_json_and_takes_it_by_any_2xx(code):
    with receiver(code) as (url, came):
        webhook_sink(url)(b'{"a": 1}')
    assert came == [("POST", "application/json", b'{"a": 1}')]


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_any_other_answer_has_not_taken_it(code):
    with receiver(code) as (url, _), pytest.raises(DeliveryError, match=str(code)):
        webhook_sink(url)(b"{}")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed_for_it_would_lose_the_message(code):
    with receiver(code, Location="/elsewhere") as (url, came):
        with pytest.raises(DeliveryError, match=str(code)):
            webhook_sink(url)(b"{}")
        assert [method for method, _, _ in came] == ["POST"]


def test_what_is_no_http_has_not_taken_it():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as line:
                line.recv(65536)
                line.sendall(b"220 mail here\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DeliveryError, match="could not be reached"):
            webhook_sink(f"http://127.0.0.1:{server.getsockname()[1]}")(b"{}")
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
        webhook_sink(url)
    assert not url or url not in str(caught.value)
