"""What edge-admin prints fits a terminal."""

from bonefx_edge.cli.status_text import status_lines
from bonefx_edge.watch.journal.admin import Status


def test_the_status_names_a_model_by_the_first_digits_of_its_hash() -> None:
    status = Status(
        is_running=True,
        folder="/srv/incoming",
        states={"done": 5},
        refusals={},
        failures={},
        absent=0,
        unreadable={},
        duplicates=0,
        oldest_waiting_s=None,
        oldest_untried_s=None,
        last_result=None,
        per_hour=5,
        undelivered=0,
        oldest_undelivered_s=None,
        predictors={f"lite0 0.4.0 {'ab' * 32} tiled balanced": 5},
    )
    lines = status_lines(status, {"fracture": 5, "no_fracture": 3})
    assert "classified by  5 lite0 0.4.0 abababababab tiled balanced" in lines
    assert max(map(len, lines)) <= 80
