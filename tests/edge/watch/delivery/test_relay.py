"""Messages about results: written with the result, delivered at least once, for ever."""

import json
import sqlite3

import pytest
from bonefx_edge.watch.delivery.relay import DeliveryError, OutboxRelay
from bonefx_edge.watch.delivery.webhook import WebhookSink
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.connection import connect
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.outbox import Outbox, add, message

NOW = 1_800_000_000.0


@pytest.fixture(name="connection")
def _connection(tmp_path):
    connection = connect(tmp_path / "journal", owner=True)
    yield connection
    connection.close()


def put(connection, *names, supersedes=()):
    """Add messages about contents of these names."""
    for sha256 in names:
        add(connection.execute, message(record(sha256), supersedes=supersedes), now=NOW)


def name(found):
    return json.loads(found.body)["sha256"]


def left(connection):
    rows = connection.execute("SELECT body FROM outbox ORDER BY id")
    return [json.loads(row["body"])["sha256"] for row in rows]


def all_bodies(connection):
    """Deliver all messages, and return them."""
    bodies = []
    relay = OutboxRelay(bodies.append, clock=lambda: 0.0, wall=lambda: NOW)
    while relay.run_once(connection):
        pass
    return bodies


def record(sha256="a" * 64):
    finding = {
        "path": "Doe^Jane.png", "state": "fracture", "reason": None, "p_fracture": 0.5,
        "detail": "Doe^Jane.png",
    }  # fmt: skip
    return {"sha256": sha256, "classified_at": "2026", "predictor": "model", "finding": finding}


# ---- the outbox ----


def test_a_message_says_what_was_decided_and_names_no_file_and_no_person():
    told = json.loads(message(record(), supersedes=["b" * 64]))
    assert told["state"] == "fracture"
    assert told["p_fracture"] == 0.5
    assert told["supersedes"] == ["b" * 64]
    assert "not a diagnosis" in told["notice"]
    assert "Doe" not in json.dumps(told)


def test_a_message_has_score_and_site_profile_of_the_finding_null_in_older_results():
    new = record()
    new["finding"] |= {"score": 0.7, "site_profile": {"sha256": "ab", "date": "2026-11-29"}}
    new["finding"]["accepted"] = ["no-preamble"]
    told = json.loads(message(new, supersedes=[]))
    assert (told["score"], told["site_profile"]["date"]) == (0.7, "2026-11-29")
    assert told["accepted"] == ["no-preamble"]
    older = json.loads(message(record(), supersedes=[]))
    assert (older["score"], older["site_profile"], older["accepted"]) == (None, None, [])


def test_a_message_is_there_exactly_if_the_result_is_noted(tmp_path, connection):
    told = message(record("x"), supersedes=[])
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        journal.files.receive(b"x", Signature(1, 1, 1), "x", now=NOW)
        journal.claim(now=NOW)
        with pytest.raises(sqlite3.IntegrityError):  # the message is written after the result
            journal.finish("x", record("x"), predictor="m", now=None, message=told)
        assert left(connection) == []
        state = connection.execute("SELECT state FROM image").fetchone()["state"]
        assert state == "claimed"
        journal.finish("x", record("x"), predictor="m", now=NOW, message=told)
        assert left(connection) == ["x"]


def test_messages_are_due_in_order_and_a_postponed_one_lets_the_others_pass(connection):
    put(connection, "first", "second")
    outbox = Outbox(connection)
    first = outbox.next(now=NOW)
    outbox.postpone(first, now=NOW)
    assert name(outbox.next(now=NOW)) == "second"
    again = outbox.next(now=NOW + 2.0)
    assert (name(again), again.attempts) == ("first", 1)


def test_messages_about_one_file_wait_for_the_earlier_ones(connection):
    put(connection, "old")
    put(connection, "new", supersedes=["older", "old"])
    put(connection, "new", "other")
    outbox = Outbox(connection)
    outbox.postpone(outbox.next(now=NOW), now=NOW)
    assert name(outbox.next(now=NOW)) == "other"
    delivered = []
    while message := outbox.next(now=NOW + 2.0):
        delivered.append(name(message))
        outbox.delete(message)
    assert delivered == ["old", "new", "new", "other"]


def test_a_message_says_whether_its_result_is_current(tmp_path, connection):
    """The file of `a` is overwritten with `b` before anything is delivered; `c` is another file."""
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        for path, sha256 in ((b"x", "a"), (b"x", "b"), (b"y", "c")):
            journal.files.receive(path, Signature(1, 1, len(sha256)), sha256, now=NOW)
            journal.claim(now=NOW)
            body = message(record(sha256), supersedes=journal.superseded_by(sha256))
            journal.finish(sha256, record(sha256), predictor="m", now=NOW, message=body)
        again = record("c") | {"classified_at": "2027"}
        journal.finish("c", again, predictor="m", now=NOW, message=message(again, supersedes=[]))
    told = [json.loads(body) for body in all_bodies(connection)]
    assert [(one["sha256"], one["classified_at"], one["current"]) for one in told] == [
        ("a", "2026", False), ("b", "2026", True), ("c", "2026", False), ("c", "2027", True),
    ]  # fmt: skip
    assert [one["sequence"] for one in told] == [1, 2, 3, 4]


def test_the_number_of_a_message_is_never_used_again(tmp_path, connection):
    numbers = []
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        for sha256 in "abc":
            body = message(record(sha256), supersedes=[])
            journal.finish(sha256, record(sha256), predictor="m", now=NOW, message=body)
            numbers += [json.loads(body)["sequence"] for body in all_bodies(connection)]
    assert numbers == [1, 2, 3]


def test_the_pause_doubles_up_to_five_minutes(connection):
    put(connection, "x")
    outbox, now, pauses = Outbox(connection), NOW, []
    for _ in range(10):
        found = outbox.next(now=now)
        outbox.postpone(found, now=now)
        retry_at = connection.execute("SELECT retry_at FROM outbox").fetchone()[0]
        assert outbox.next(now=retry_at - 0.01) is None
        pauses.append(retry_at - now)
        now = retry_at
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_pause_that_a_wrong_clock_put_far_ahead_is_over_now(connection):
    put(connection, "x")
    outbox = Outbox(connection)
    outbox.postpone(outbox.next(now=NOW), now=NOW + 1e8)
    assert outbox.next(now=NOW) is not None


# ---- the relay ----


def test_what_is_taken_goes_and_what_is_not_stays_and_is_tried_later(connection):
    put(connection, "bad", "good")
    taken, now = [], [NOW]

    def deliver(body):
        sha256 = json.loads(body)["sha256"]
        if sha256 == "bad":
            raise DeliveryError("away")
        taken.append(sha256)

    relay = OutboxRelay(deliver, clock=lambda: now[0], wall=lambda: now[0], pause_s=0.0)
    assert relay.run_once(connection)
    assert relay.run_once(connection)
    assert not relay.run_once(connection)
    assert (taken, left(connection)) == (["good"], ["bad"])
    now[0] += 2.0
    assert relay.run_once(connection)


def test_a_receiver_that_is_away_is_asked_once_a_second_however_many_messages_wait(connection):
    put(connection, *map(str, range(20)))
    asked, now = [], [NOW]

    def refuse(body):
        asked.append(body)
        raise DeliveryError("away")

    relay = OutboxRelay(refuse, clock=lambda: now[0], wall=lambda: now[0])
    for _ in range(100):
        now[0] += 0.1
        while relay.run_once(connection):
            assert len(asked) <= 20
    assert len(asked) in (10, 11)


def test_a_receiver_that_is_away_is_logged_once_a_message_and_no_address_is_in_it(
    connection, caplog
):
    put(connection, "x")
    now = [NOW]
    relay = OutboxRelay(
        WebhookSink("http://127.0.0.1:9/secret"), clock=lambda: now[0], wall=lambda: now[0]
    )
    for _ in range(3):
        assert relay.run_once(connection)
        now[0] += 300.0
    assert caplog.text.count("could not be reached") == 1
    assert "secret" not in caplog.text


def failing(*errors):
    """Return a sink that raises these errors one after the other, and then takes messages."""
    left = list(errors)

    def deliver(_body):
        if left:
            raise left.pop(0)

    return deliver


def test_a_receiver_that_asks_for_a_pause_gets_it_for_all_messages(connection):
    put(connection, "a", "b")
    now = [NOW]
    sink = failing(DeliveryError("busy", retry_after_s=700.0))
    relay = OutboxRelay(sink, clock=lambda: now[0], wall=lambda: NOW + 10.0)
    assert relay.run_once(connection)
    now[0] += 699.0
    assert not relay.run_once(connection)
    now[0] += 1.0
    assert relay.run_once(connection)


def test_the_longest_pause_that_a_receiver_can_ask_for_is_a_day(connection):
    put(connection, "a")
    now = [NOW]
    sink = failing(DeliveryError("busy", retry_after_s=1e12))
    relay = OutboxRelay(sink, clock=lambda: now[0], wall=lambda: now[0])
    relay.run_once(connection)
    now[0] += 86_400.0
    assert relay.run_once(connection)
    assert left(connection) == []


def test_a_message_that_is_never_accepted_is_given_up_with_a_warning(connection, caplog):
    put(connection, "a", "b")
    sink = failing(DeliveryError("gone", is_permanent=True))
    relay = OutboxRelay(sink, clock=lambda: NOW, wall=lambda: NOW)
    assert relay.run_once(connection)
    assert left(connection) == ["b"]
    assert "message 1 given up (gone)" in caplog.text


def test_another_cause_is_logged_too(connection, caplog):
    put(connection, "a")
    now = [NOW]
    causes = ("DNS", "DNS", "TLS", "TLS")
    relay = OutboxRelay(
        failing(*map(DeliveryError, causes)), clock=lambda: now[0], wall=lambda: now[0]
    )
    for _ in causes:
        relay.run_once(connection)
        now[0] += 300.0
    assert [record.args[0].args[0] for record in caplog.records] == ["DNS", "TLS"]
