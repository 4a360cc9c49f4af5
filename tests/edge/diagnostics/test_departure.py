"""What a film says about drift: no drift, no alarm; a shift is found within stated films.

The stated rate: of references of 60 films with films of the same kind after them, at most 2 in 40
ring within 3,000 films (60 days of 50).
"""

from types import SimpleNamespace

import numpy as np
import pytest
from bonefx_edge.diagnostics.departure import Reference
from bonefx_edge.inference.decision import Caution, State
from bonefx_edge.inference.input_check import Statistics
from bonefx_edge.model.site_profile import Quantiles, ShareLimit
from bonefx_edge.watch.journal.drift import DriftWatch
from example_profile import toy_profile

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES = ("mean", "std", "roughness", "p_fracture")


def draw(rng, n: int, shift: float = 0.0) -> np.ndarray:
    """Return (n, 4) numbers in (0, 1) as those of films: skewed; `shift` in standard deviations."""
    normal = rng.normal(size=(n, 4))
    normal[:, 0] += shift
    return 1 / (1 + np.exp(1.5 - 0.8 * normal))


def reference(films: np.ndarray, shares=()) -> Reference:
    quantiles = tuple(
        Quantiles(name, len(films), tuple(np.quantile(films[:, i], LEVELS)))
        for i, name in enumerate(NAMES)
    )
    return Reference.of(toy_profile(levels=LEVELS, reference=quantiles, shares=shares or None))


def film(row, state=State.NO_FRACTURE, caution=None) -> SimpleNamespace:
    finding = SimpleNamespace(state=state, caution=caution, p_fracture=float(row[3]))
    stats = Statistics(*map(float, row[:3]))
    return SimpleNamespace(finding=finding, statistics=stats, whole=None)


REFUSED = SimpleNamespace(
    finding=SimpleNamespace(state=State.REFUSED, caution=None, p_fracture=None),
    statistics=None,
    whole=None,
)


def films_to_alarm(watch: Reference, films) -> tuple[int, dict[str, str]] | None:
    drift = DriftWatch(None)
    for number, each in enumerate(films, 1):
        drift.add(watch.departures(each), "model")
        if drift.alarms:
            return number, drift.alarms
    return None


def test_without_drift_alarms_are_rare() -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        watch = reference(draw(rng, 60))
        found.append(films_to_alarm(watch, (film(row) for row in draw(rng, 3000))))
    assert sum(each is not None for each in found) <= 2


@pytest.mark.parametrize(
    ("shift", "within", "alarm"), [(2.0, 60, "higher"), (-2.0, 60, "lower"), (1.2, 250, "higher")]
)
def test_a_shift_is_found_and_named(shift, within, alarm) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        watch = reference(draw(rng, 60))
        found = films_to_alarm(watch, (film(row) for row in draw(rng, 1000, shift)))
        assert found is not None
        assert found[0] <= within
        assert found[1] == {"mean": alarm}


def test_a_quarter_of_fractured_films_is_no_drift() -> None:
    rng = np.random.default_rng(1)
    watch, films = reference(draw(rng, 60)), draw(rng, 3000)
    films[rng.random(3000) < 0.25, 3] = 0.9
    assert films_to_alarm(watch, (film(row) for row in films)) is None


@pytest.mark.parametrize("name", ["refused", "with_caution"])
def test_a_share_that_grows_is_found_and_one_that_stays_is_not(name) -> None:
    rng = np.random.default_rng(2)
    shares = (ShareLimit("refused", 0.0, 0.06, 60), ShareLimit("with_caution", 0.0, 0.06, 60))
    watch = reference(draw(rng, 60), shares)

    def stream(share: float, n: int):
        for row in draw(rng, n):
            if rng.random() >= share:
                yield film(row)
            else:
                yield (
                    REFUSED if name == "refused" else film(row, State.UNCERTAIN, Caution.UNFAMILIAR)
                )

    assert films_to_alarm(watch, stream(0.05, 5000)) is None
    found = films_to_alarm(watch, stream(0.5, 200))
    assert found is not None
    assert found[0] <= 60
    assert found[1] == {name: "higher"}


def test_a_profile_without_shares_watches_none() -> None:
    rng = np.random.default_rng(3)
    assert reference(draw(rng, 60)).departures(REFUSED) == {}


def test_equal_quantiles_divide_by_nothing() -> None:
    flat = reference(np.full((60, 4), 0.3))
    for value in (0.1, 0.3, 0.9):
        found = flat.departures(film((value,) * 4))
        assert all(np.isfinite(step).all() for step in found.values())
