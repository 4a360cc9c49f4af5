"""Messages about results: written with the result, delivered at least once, for ever."""

import json
import sqlite3

import pytest
from bonefx_edge.watch.delivery.relay import DeliveryError, OutboxRelay
from bonefx_edge.watch.delivery.webhook import webhook_sink
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.connection import connect
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.outbox import Outbox, message

NOW = 1_800_000_000.0


@pytest.fixture(name="connection")
def _connection(tmp_path):
    connection = connect(tmp_path / "journal", owner=True)
    yield connection
    connection.close()


def put(connection, *bodies):
    for body in bodies:
        connection.execute("INSERT INTO outbox (body, written) VALUES (?, ?)", (body, NOW))


def left(connection):
    return [row["body"] for row in connection.execute("SELECT body FROM outbox ORDER BY id")]


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


def test_a_message_is_there_exactly_if_the_result_is_noted(tmp_path, connection):
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        journal.files.receive(b"x", Signature(1, 1, 1), "x", now=NOW)
        journal.claim(now=NOW)
        with pytest.raises(sqlite3.IntegrityError):  # the message is written after the result
            journal.finish("x", record("x"), predictor="m", now=None, message="told")
        assert left(connection) == []
        state = connection.execute("SELECT state FROM image").fetchone()["state"]
        assert state == "claimed"
        journal.finish("x", record("x"), predictor="m", now=NOW, message="told")
        assert left(connection) == ["told"]


def test_messages_are_due_in_order_and_a_postponed_one_lets_the_others_pass(connection):
    put(connection, "first", "second")
    outbox = Outbox(connection)
    first = outbox.next(now=NOW)
    outbox.postpone(first, now=NOW)
    assert outbox.next(now=NOW).body == "second"
    again = outbox.next(now=NOW + 2.0)
    assert (again.body, again.attempts) == ("first", 1)


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
        if body == b"bad":
            raise DeliveryError("away")
        taken.append(body)

    relay = OutboxRelay(deliver, wall=lambda: now[0], pause_s=0.0)
    assert relay.run_once(connection)
    assert relay.run_once(connection)
    assert not relay.run_once(connection)
    assert (taken, left(connection)) == ([b"good"], ["bad"])
    now[0] += 2.0
    assert relay.run_once(connection)


def test_a_receiver_that_is_away_is_asked_once_a_second_however_many_messages_wait(connection):
    put(connection, *map(str, range(20)))
    asked, now = [], [NOW]

    def refuse(body):
        asked.append(body)
        raise DeliveryError("away")

    relay = OutboxRelay(refuse, wall=lambda: now[0])
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
    relay = OutboxRelay(webhook_sink("http://127.0.0.1:9/secret"), wall=lambda: now[0])
    for _ in range(3):
        assert relay.run_once(connection)
        now[0] += 300.0
    assert caplog.text.count("could not be reached") == 1
    assert "secret" not in caplog.text
