"""What the journal says of films, without a file system and without a clock."""

import pytest
from bonefx_edge.errors import JournalError
from bonefx_edge.watch.backoff import MAX_RETRY_S
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.schema import STEPS
from bonefx_edge.watch.journal.states import Known, Receipt
from bonefx_edge.watch.journal.transaction import transaction
from bonefx_edge.watch.journal.transitions import SUSPECT_CRASHES

NOW = 1_800_000_000.0
BEFORE, AFTER = Signature(10, 1, 1), Signature(10, 2, 2)


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with Journal.open(tmp_path, owner=True) as journal:
        yield journal


def receive(journal, name, content, *, signature=BEFORE):
    return journal.files.receive(name, signature, content, now=NOW)


def finish(journal, content, reason=None):
    record = {"sha256": content, "finding": {"reason": reason}}
    journal.finish(content, record, predictor="model", now=NOW)
    return list(journal.retired_results())


def claim_all(journal, *, now=NOW):
    found = []
    while (claim := journal.claim(now=now)) is not None:
        found.append(claim.sha256)
    return found


def test_films_are_claimed_in_the_order_in_which_they_came(journal):
    for content in "cab":
        assert receive(journal, content.encode(), content) is Receipt.NEW
    assert claim_all(journal) == ["c", "a", "b"]


def test_a_film_that_failed_is_due_after_a_pause_that_doubles_up_to_five_minutes(journal):
    receive(journal, b"x", "x")
    pauses, now = [], NOW
    for _ in range(10):
        assert journal.claim(now=now) is not None
        retry_at = journal.fail("x", "EIO", now=now)
        assert journal.claim(now=retry_at - 0.01) is None
        pauses.append(retry_at - now)
        now = retry_at
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, MAX_RETRY_S, MAX_RETRY_S]
    assert journal.next_retry(now=NOW) == min(now, NOW + MAX_RETRY_S)


def test_a_retry_that_a_wrong_clock_put_far_ahead_is_due_now(journal):
    receive(journal, b"x", "x")
    journal.claim(now=NOW)
    journal.fail("x", "EIO", now=NOW + 1e8)
    assert journal.claim(now=NOW) is not None


def test_a_film_that_was_in_progress_at_three_deaths_of_the_service_comes_last(tmp_path):
    for death in range(SUSPECT_CRASHES):
        with Journal.open(tmp_path, owner=True) as journal:
            receive(journal, b"poison", "poison")
            receive(journal, b"good", "good")
            assert journal.claim(now=NOW).sha256 == "poison", death
    with Journal.open(tmp_path, owner=True) as journal:
        assert claim_all(journal) == ["good", "poison"]


def test_a_film_rewritten_and_rewritten_back_is_current_again(journal):
    receive(journal, b"x", "first")
    claim_all(journal)
    assert finish(journal, "first") == []
    receive(journal, b"x", "second", signature=AFTER)
    claim_all(journal)
    assert finish(journal, "second") == ["first"]
    journal.mark_retired("first")
    assert receive(journal, b"x", "first") is Receipt.REQUEUED
    assert claim_all(journal) == ["first"]
    assert journal.retired_results() == [], (
        "the second stays current until the first is there again"
    )
    assert finish(journal, "first") == ["second"]


def test_a_film_rewritten_back_before_the_other_was_decided_keeps_its_result(journal):
    receive(journal, b"x", "first")
    claim_all(journal)
    finish(journal, "first")
    receive(journal, b"x", "second", signature=AFTER)
    assert receive(journal, b"x", "first") is Receipt.REQUEUED
    assert claim_all(journal) == []
    assert journal.retired_results() == []


def test_a_result_that_a_kill_left_in_doubt_is_not_taken_for_a_current_one(tmp_path):
    with Journal.open(tmp_path, owner=True) as journal:
        receive(journal, b"x", "first")
        claim_all(journal)
    with Journal.open(tmp_path, owner=True) as journal:  # the other was killed
        claim_all(journal)
        receive(journal, b"x", "second", signature=AFTER)
        assert finish(journal, "first") == []  # without a result file: it is superseded
        assert receive(journal, b"x", "first") is Receipt.REQUEUED
        assert claim_all(journal) == ["first"]


def test_of_a_chain_of_revisions_the_last_one_is_current_when_it_is_decided(journal):
    receive(journal, b"x", "first")
    claim_all(journal)
    finish(journal, "first")
    receive(journal, b"x", "second", signature=AFTER)
    receive(journal, b"x", "third", signature=BEFORE)
    assert claim_all(journal) == ["third"]
    assert journal.retired_results() == []
    assert finish(journal, "third") == ["first"]


def test_a_content_that_another_file_still_holds_is_not_superseded(journal):
    receive(journal, b"x", "first")
    receive(journal, b"copy", "first")
    claim_all(journal)
    finish(journal, "first")
    receive(journal, b"x", "second", signature=AFTER)
    claim_all(journal)
    assert finish(journal, "second") == []


def test_a_film_whose_file_went_waits_for_it_and_is_not_tried_in_vain(journal):
    receive(journal, b"x", "x")
    journal.files.mark_missing([b"x"])
    assert journal.claim(now=NOW) is None
    assert journal.next_retry(now=NOW) is None
    assert journal.files.recognize(b"x", BEFORE) is Known.RETURNED
    assert journal.claim(now=NOW) is not None


def test_what_has_no_result_yet_is_counted_without_what_was_removed_or_overwritten(journal):
    for content in "abcdef":
        receive(journal, content.encode(), content)
    assert claim_all(journal) == list("abcdef")
    finish(journal, "a")
    finish(journal, "b", reason="corrupt")
    journal.fail("c", "EIO", now=NOW)
    journal.fail("d", "EIO", now=NOW)
    journal.files.mark_missing([b"d"])
    journal.release("e")
    receive(journal, b"f", "rewritten", signature=AFTER)
    assert claim_all(journal) == ["e", "rewritten"]
    finish(journal, "e")
    finish(journal, "rewritten")
    assert journal.count_unfinished() == 1  # c
    journal.files.mark_unreadable(b"z", "EACCES")
    assert journal.count_unfinished() == 2
    journal.files.mark_missing([b"z"])
    assert journal.count_unfinished() == 1


def test_what_an_unreadable_file_is_is_news_once(journal):
    assert journal.files.mark_unreadable(b"x", "EACCES")
    assert not journal.files.mark_unreadable(b"x", "EACCES")
    assert journal.files.mark_unreadable(b"x", "EIO")
    assert journal.files.recognize(b"x", BEFORE) is Known.NO


def test_work_with_a_film_does_not_grow_with_the_number_of_films(journal):
    """Counted in instructions of SQLite's machine: a back-fill of 100,000 must not slow down."""
    costs = []
    for thousand in range(5):
        with transaction(journal._connection) as run:
            for n in range(1000):
                run(
                    "INSERT INTO image (sha256, state, received) VALUES (?, ?, 0)",
                    (f"{thousand}-{n}", "done" if n % 2 else "received"),
                )
                run(
                    "INSERT INTO file (path, sha256, present) VALUES (?, ?, 1)",
                    (f"{thousand}-{n}".encode(), f"{thousand}-{n}"),
                )
        steps = [0]
        journal._connection.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 1)  # noqa: B023
        claim = journal.claim(now=NOW)
        finish(journal, claim.sha256)
        journal.next_retry(now=NOW)
        receive(journal, f"new-{thousand}".encode(), f"new-{thousand}")
        journal._connection.set_progress_handler(None, 0)
        costs.append(steps[0])
    assert max(costs) < 1.5 * min(costs) < 3000


def test_a_journal_of_a_newer_bonefx_is_left_alone(tmp_path):
    with Journal.open(tmp_path, owner=True) as journal:
        journal._connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(JournalError, match="install the bonefx that wrote it"):
        Journal.open(tmp_path, owner=True)
    # Its lock is free again: the message is the same the second time.
    with pytest.raises(JournalError, match="install the bonefx that wrote it"):
        Journal.open(tmp_path, owner=True)
