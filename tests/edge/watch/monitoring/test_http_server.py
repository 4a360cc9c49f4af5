"""What the health port answers, asked over the loopback; a real journal lies behind it."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection

import pytest
from bonefx_edge.errors import PortError
from bonefx_edge.watch.clock_steps import ClockStep
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.access import JournalAccess
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.monitoring import http_server
from bonefx_edge.watch.monitoring.health import Pause, ServiceSnapshot
from bonefx_edge.watch.monitoring.http_server import HealthServer
from bonefx_edge.watch.monitoring.metrics import Metrics
from bonefx_edge.watch.monitoring.page_server import CLIENT_TIMEOUT_S, HOST, MAX_CLIENTS
from prometheus_client.parser import text_string_to_metric_families

WELL = ServiceSnapshot(
    last_step=float("inf"), folder_exists=True, folder_answered=float("inf"),
    workers_ready=1, pause=Pause.NONE,
    canary_is_healthy=True, canary_last_passed=float("inf"), classified=0, refused=0,
)  # fmt: skip
FINDING = {
    "state": "fracture", "reason": None, "p_fracture": 0.62,
    "timings_ms": {"decode": 20.0, "tiles": None},
}  # fmt: skip


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with Journal.open(tmp_path, owner=True) as journal:
        yield journal


@contextmanager
def answering(folder, snapshot=WELL, metrics=None):
    port = HealthServer(
        0, snapshot=lambda: snapshot, journal=JournalAccess(folder), out=folder,
        metrics=metrics or Metrics(),
    )  # fmt: skip
    try:
        yield port.port
    finally:
        port.close()


def ask(port, page):
    """Return the status and the body."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{page}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as err:
        return err.code, err.read().decode()


def samples(text):
    """Return the values of an exposition by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_ready_service_says_200_and_each_check_by_name(tmp_path, journal):
    with answering(tmp_path) as port:
        status, body = ask(port, "/readyz")
    told = json.loads(body)
    assert status == 200
    assert told["passed"]
    assert [check["name"] for check in told["checks"]] == [
        "loop", "folder", "workers", "results", "archive", "canary", "journal", "queue", "files",
        "messages",
    ]  # fmt: skip
    assert "not a diagnosis" in told["notice"]


def test_an_unready_service_says_503_and_is_alive_all_the_same(tmp_path, journal):
    with answering(tmp_path, replace(WELL, canary_is_healthy=False)) as port:
        assert ask(port, "/readyz")[0] == 503
        assert ask(port, "/livez")[0] == 200


def test_a_loop_that_hangs_is_not_alive(tmp_path, journal):
    with answering(tmp_path, replace(WELL, last_step=float("-inf"))) as port:
        assert ask(port, "/livez")[0] == 503


def test_a_journal_that_went_away_is_unready_and_the_port_lives_on(tmp_path, journal):
    (tmp_path / "journal.sqlite").unlink()
    with answering(tmp_path) as port:
        status, body = ask(port, "/readyz")
        assert status == 503
        failed = [c["name"] for c in json.loads(body)["checks"] if c["status"] == "fail"]
        assert failed == ["journal"]
        status, text = ask(port, "/metrics")
        assert status == 200
        assert samples(text)["bonefx_check_passed", "journal"] == 0


def test_a_journal_that_never_answers_is_unready_and_blocks_no_other_page(
    tmp_path, journal, monkeypatch
):
    asked, end = threading.Event(), threading.Event()

    def hang(*_, **__):
        asked.set()
        end.wait()
        return "OSError"

    monkeypatch.setattr(http_server, "_query", hang)
    monkeypatch.setattr(http_server, "QUERY_TIMEOUT_S", 0.1)
    with answering(tmp_path) as port, ThreadPoolExecutor(1) as first:
        waiting = first.submit(ask, port, "/readyz")
        try:
            assert asked.wait(10)
            for _ in range(MAX_CLIENTS):
                code, body = ask(port, "/readyz")
                assert (code, "TimeoutError" in body) == (503, True)
            assert ask(port, "/livez")[0] == 200
        finally:
            end.set()
        assert waiting.result()[0] == 503


def test_metrics_tell_what_was_decided_and_what_waits(tmp_path, journal):
    metrics = Metrics()
    metrics.count_result(FINDING, lag_s=2.0)
    refused = FINDING | {"state": "refused", "reason": "blank", "p_fracture": None}
    metrics.count_result(refused, lag_s=2.0)
    metrics.count_failure("EIO")
    journal.files.receive(b"Doe^Jane.png", Signature(1, 1, 1), "a" * 64, now=0.0)
    with answering(tmp_path, metrics=metrics) as port:
        found = samples(ask(port, "/metrics")[1])
    assert found["bonefx_results_total", "fracture"] == 1
    assert found["bonefx_results_total", "refused"] == 1
    assert found["bonefx_refusals_total", "blank"] == 1
    assert found["bonefx_failures_total", "EIO"] == 1
    assert found["bonefx_p_fracture_bucket", "0.6"] == 0
    assert found["bonefx_p_fracture_bucket", "0.65"] == 1
    assert found["bonefx_p_fracture_count",] == 1
    assert found["bonefx_stage_seconds_sum", "decode"] == pytest.approx(2 * 0.020)
    assert ("bonefx_stage_seconds_count", "tiles") not in found
    assert found["bonefx_lag_seconds_count",] == 2
    assert found["bonefx_films", "received"] == 1
    assert found["bonefx_oldest_waiting_seconds",] > 1e9
    assert found["bonefx_free_bytes",] > 0


def test_a_folder_that_cannot_be_looked_into_is_a_metric_and_a_warning(tmp_path, journal):
    journal.files.mark_unreadable(b"ward 3/Doe^John", "EACCES")
    with answering(tmp_path, metrics=Metrics()) as port:
        found = samples(ask(port, "/metrics")[1])
        status, body = ask(port, "/readyz")[:2]
    assert found["bonefx_unreadable", "EACCES"] == 1
    checks = {check["name"]: check for check in json.loads(body)["checks"]}
    assert (status, checks["files"]["status"]) == (200, "warn")
    assert "1 for EACCES" in checks["files"]["found"]


def test_no_name_of_a_film_or_folder_is_reported(tmp_path, journal):
    journal.set_meta("folder", "/incoming/Doe^Jane")
    journal.files.receive(b"Doe^Jane.png", Signature(1, 1, 1), "a" * 64, now=0.0)
    journal.files.mark_unreadable(b"Doe^John.png", "EACCES")
    with answering(tmp_path) as port:
        told = "".join(ask(port, page)[1] for page in ("/livez", "/readyz", "/metrics"))
    assert "EACCES" in told
    assert "Doe" not in told


def test_other_pages_and_other_methods_are_none(tmp_path, journal):
    with answering(tmp_path) as port:
        assert ask(port, "/")[0] == 404
        assert ask(port, "/readyz/../etc")[0] == 404
        request = urllib.request.Request(f"http://{HOST}:{port}/livez", data=b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError, match="501"):
            urllib.request.urlopen(request, timeout=10)  # noqa: S310 -- ours


def test_only_this_machine_reaches_it(tmp_path, journal):
    with answering(tmp_path) as port, socket.socket() as outside:
        outside.settimeout(2)
        # All of 127/8 is this machine, but the port is open on one address of it.
        with pytest.raises(ConnectionRefusedError):
            outside.connect(("127.0.0.2", port))


@pytest.mark.parametrize("n_silent", [6, MAX_CLIENTS + 4])
def test_clients_that_say_nothing_do_not_keep_the_others_out(tmp_path, journal, n_silent):
    with answering(tmp_path) as port, ExitStack() as held:
        for number in range(n_silent):
            client = held.enter_context(socket.create_connection((HOST, port)))
            client.sendall(b"GET /livez HTTP/1.0\r\n" if number % 2 else b"")
        began = time.monotonic()
        assert ask(port, "/livez")[0] == 200
        assert time.monotonic() - began < CLIENT_TIMEOUT_S


def test_many_scrapers_at_once_are_all_answered(tmp_path, journal):
    with answering(tmp_path) as port, ThreadPoolExecutor(3 * MAX_CLIENTS) as scrapers:
        pages = ["/metrics", "/readyz", "/livez"] * 2 * MAX_CLIENTS
        assert {status for status, _ in scrapers.map(partial(ask, port), pages)} == {200}


def test_head_is_answered_as_get_without_the_body(tmp_path, journal):
    with answering(tmp_path) as port:
        for page, code in (("/livez", 200), ("/", 404)):
            connection = HTTPConnection(HOST, port, timeout=10)
            with closing(connection):
                connection.request("HEAD", page)
                response = connection.getresponse()
                assert response.status == code
                assert int(response.headers["Content-Length"]) > 0
                assert response.read() == b""


def test_a_port_that_is_taken_is_refused_in_words(tmp_path, journal):
    with answering(tmp_path) as port, pytest.raises(PortError, match="expected a free port"):
        HealthServer(
            port, snapshot=lambda: WELL, journal=JournalAccess(tmp_path), out=tmp_path,
            metrics=Metrics(),
        )  # fmt: skip


def test_a_clock_that_was_set_makes_no_queue_stuck(tmp_path, journal):
    """400 days ahead while an image waits: it has waited for the minutes that passed."""
    now, ahead = time.time(), 400 * 86_400.0
    journal.files.receive(b"a.png", Signature(1, 1, 1), "a" * 64, now=now - ahead - 60.0)
    stepped = replace(WELL, clock_steps=(ClockStep(now - ahead - 50.0, now - 50.0),))
    with answering(tmp_path, stepped) as port:
        status, body = ask(port, "/readyz")
        found = {check["name"]: check["found"] for check in json.loads(body)["checks"]}
        assert status == 200, body
        assert found["queue"].startswith("oldest image waiting for 6")
        oldest = samples(ask(port, "/metrics")[1])["bonefx_oldest_waiting_seconds",]
        assert 60.0 <= oldest < 120.0
    with answering(tmp_path) as port:
        assert ask(port, "/readyz")[0] == 503


def test_a_query_is_a_connection_that_a_journal_opened_anew_waits_for(
    journal, tmp_path, monkeypatch
):
    """SQLite keeps the state of the dead disk while any connection of the process is open."""
    counted = []
    status = http_server.JournalAdmin.status

    def watched(admin, **words):
        counted.append(journal.access.users)
        return status(admin, **words)

    monkeypatch.setattr(http_server.JournalAdmin, "status", watched)
    server = HealthServer(
        0, snapshot=lambda: WELL, journal=journal.access, out=tmp_path, metrics=Metrics()
    )
    try:
        ask(server.port, "/readyz")
        journal.access.shut()
        server._next_query = 0.0
        answer = json.loads(ask(server.port, "/readyz")[1])
    finally:
        server.close()
    assert counted == [["health port"]]
    assert {check["name"]: check["status"] for check in answer["checks"]}["journal"] == "fail"
