"""When the folder is walked: what the state machine of `test_intake_machine` does not look at."""

import os

from bonefx_edge.watch.intake import ENTRIES_PER_TURN, Intake
from bonefx_edge.watch.journal import Journal

NOW = 1000.0


def test_a_walk_that_is_asked_for_during_another_one_follows_it_at_once(tmp_path):
    """What was lost may lie where the one under way has been already."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(ENTRIES_PER_TURN + 1):
        (folder / f"{number}.png").write_bytes(b"film %d" % number)
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        intake = Intake(
            os.fsencode(folder), journal, settle_s=2.0, clock=lambda: NOW, wall=lambda: 1e9,
            is_silent=lambda: False,
        )  # fmt: skip
        intake.turn()
        assert intake.walks == 0, "the folder is too small to be walked in two turns"
        intake.walk_soon()
        for _ in range(10):
            intake.turn()
        assert intake.walks == 2
        intake.close()
