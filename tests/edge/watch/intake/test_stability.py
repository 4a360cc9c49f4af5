"""When a file has come to rest."""

from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.intake.stability import FileStabilityTracker
from hypothesis import given
from hypothesis import strategies as st

A, B = Signature(1, 10, 10), Signature(2, 20, 20)
SETTLE_S = 2.0


def due(settling: FileStabilityTracker, now: float) -> list[tuple[bytes, Signature]]:
    return list(settling.due(now=now))


def test_nothing_is_due_where_nothing_waits() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    assert (len(settling), due(settling, 1e9), settling.next_due()) == (0, [], None)
    assert not settling.is_due(b"film", A, now=1e9)


def test_a_file_is_due_when_it_has_been_unchanged_for_the_settle_time_and_not_before() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"film", A, now=100.0)
    assert due(settling, 101.75) == []
    assert not settling.is_due(b"film", A, now=101.75)
    assert settling.next_due() == 102.0
    assert due(settling, 102.0) == [(b"film", A)]
    assert settling.is_due(b"film", A, now=102.0)


def test_seeing_the_same_again_does_not_begin_the_rest_anew() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    for now in (100.0, 100.5, 101.5):
        settling.observe(b"film", A, now=now)
    assert settling.next_due() == 102.0


def test_every_change_begins_the_rest_anew() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    for size in range(50):
        settling.observe(b"film", Signature(size, 0, 0), now=100.0 + size)
        assert due(settling, 100.0 + size) == []
    assert settling.next_due() == 151.0


def test_a_change_and_back_is_a_change() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"film", A, now=100.0)
    settling.observe(b"film", B, now=101.0)
    settling.observe(b"film", A, now=101.5)
    assert due(settling, 103.0) == []
    assert due(settling, 103.5) == [(b"film", A)]


def test_each_part_of_the_signature_counts() -> None:
    for other in (A._replace(size=9), A._replace(mtime_ns=9), A._replace(ctime_ns=9)):
        settling = FileStabilityTracker(SETTLE_S)
        settling.observe(b"film", A, now=100.0)
        settling.observe(b"film", other, now=101.0)
        assert settling.next_due() == 103.0


def test_a_file_is_not_due_with_a_signature_it_does_not_have() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"film", A, now=100.0)
    assert not settling.is_due(b"film", B, now=200.0)
    assert not settling.is_due(b"other", A, now=200.0)


def test_a_file_stays_due_until_it_is_forgotten() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"film", A, now=100.0)
    assert due(settling, 105.0) == due(settling, 106.0) == [(b"film", A)]
    settling.forget(b"film")
    assert (len(settling), due(settling, 106.0), settling.next_due()) == (0, [], None)


def test_forgetting_what_is_not_there_does_no_harm() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"film", A, now=100.0)
    settling.forget(b"other")
    settling.forget(b"other")
    assert len(settling) == 1


def test_a_forgotten_file_that_comes_back_rests_from_then_on() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"film", A, now=100.0)
    settling.forget(b"film")
    settling.observe(b"film", A, now=150.0)
    assert settling.next_due() == 152.0


def test_the_longest_stable_come_first_and_a_changed_one_goes_to_the_end() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    settling.observe(b"one", A, now=100.0)
    settling.observe(b"two", A, now=100.25)
    settling.observe(b"three", A, now=100.5)
    settling.observe(b"one", B, now=101.0)
    assert settling.next_due() == 102.25
    assert due(settling, 102.5) == [(b"two", A), (b"three", A)]
    assert due(settling, 200.0) == [(b"two", A), (b"three", A), (b"one", B)]


def test_files_may_be_noted_and_forgotten_while_the_due_ones_are_gone_through() -> None:
    settling = FileStabilityTracker(SETTLE_S)
    for name in (b"one", b"two", b"three"):
        settling.observe(name, A, now=100.0)
    seen = []
    for path, signature in settling.due(now=110.0):
        seen.append((path, signature))
        settling.observe(b"two", B, now=110.0)
        settling.observe(b"new", A, now=110.0)
        settling.forget(path)
    assert seen == [(b"one", A), (b"two", A), (b"three", A)]
    assert due(settling, 120.0) == [(b"new", A), (b"two", B)]


def test_with_no_settle_time_a_file_is_due_at_once() -> None:
    settling = FileStabilityTracker(0.0)
    settling.observe(b"film", A, now=100.0)
    assert due(settling, 100.0) == [(b"film", A)]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"c", b"d"]),
        st.sampled_from([A, B, None]),  # None: forgotten
        st.integers(0, 12),  # quarters of a second that pass: exact in binary
    ),
    max_size=40,
)


@given(_STEPS)
def test_whatever_happens_the_due_files_are_those_unchanged_for_the_settle_time(steps) -> None:
    settling, known, now = FileStabilityTracker(SETTLE_S), {}, 0.0
    for path, signature, quarters in steps:
        now += quarters / 4
        if signature is None:
            settling.forget(path)
            known.pop(path, None)
        else:
            settling.observe(path, signature, now=now)
            if known.get(path, (None, 0.0))[0] != signature:
                known[path] = (signature, now)
        resting = {p: s for p, (s, since) in known.items() if now - since >= SETTLE_S}
        found = due(settling, now)
        assert dict(found) == resting
        assert len(found) == len(resting)
        assert all(settling.is_due(p, s, now=now) == (p in resting) for p, (s, _) in known.items())
        earliest = min((since + SETTLE_S for _, since in known.values()), default=None)
        assert (len(settling), settling.next_due()) == (len(known), earliest)
