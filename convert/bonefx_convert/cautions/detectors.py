"""Fit what makes a film unfamiliar: for each mode, on the inputs that it has."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from bonefx_edge.inference.decision import sigmoid
from bonefx_edge.inference.familiarity import Detector, Familiarity, Kind
from bonefx_edge.inference.tiling import InferenceMode
from bonefx_edge.model.manifest import DetectorFilms
from bonefx_train.evaluation.score_fusion import fit_logistic
from numpy.typing import NDArray

from bonefx_convert.cautions.films import Film, Films, is_train
from bonefx_convert.whitening import LIMIT_REFUSALS

GROWING_UNTIL_MONTHS: Final = 162
"""Bone age until which the growth plates of hand and wrist are plainly open."""
GROWN_FROM_MONTHS: Final = 180
"""Bone age from which they are about closed; those between teach nothing."""
RIDGE: Final = 0.2
"""Nats per half a squared weight, of features with variance 1. Strong: a weaker one follows the
source, see docs/decisions/0037-input-check.md."""
TUNE_SHARE: Final = {Kind.CHILD: 0.025, Kind.CHEST: 0.005}
"""Of the tune films that a detector may find; there are children among them."""
CLEARLY: Final = 1.5
"""Logits above the fracture threshold from which a child's film stays `fracture`."""
BONEAGE: Final = (
    "RSNA Pediatric Bone Age Challenge 2017 (Halabi et al., Radiology 2019, doi "
    "10.1148/radiol.2018180736): academic research, education and other non-commercial use"
)
KNEES: Final = "CC BY 4.0 (Chen 2018, Mendeley 10.17632/56rmx5bjcr.1)"
SHOULDERS: Final = "CC BY 4.0 (UCI 517)"
CHESTS: Final = "CC BY 4.0 (Kermany et al., doi 10.17632/rscbjbr9sj)"
FRACATLAS: Final = "CC BY 4.0 (Abedeen et al., Sci Data 2023, doi 10.1038/s41597-023-02432-4)"

Floats = NDArray[np.float64]


def fit_familiarity(films: Films, modes: Sequence[InferenceMode]) -> Familiarity:
    """Return the limit of the distance, and a child's and a chest detector for each mode.

    A film has other inputs in another mode, so weights and limits are each mode's own; the
    distance is of the whole film, which every mode has.
    """
    detectors = []
    for mode in modes:
        growing, grown = _hands(films)
        adults = [(films.knees, 0.1), (films.shoulders, 0.1)]
        child = _fit(mode, [(growing, 1.0)], [(grown, 1.0), *adults])
        limbs = [(films.normal, 0.2), *adults, ([*growing, *grown], 0.1)]
        chest = _fit(mode, [(films.chests, 0.5)], limbs)
        fracture_from = mode.operating_points[0].fracture_from
        clearly = sigmoid(math.log(fracture_from / (1 - fracture_from)) + CLEARLY)
        detectors += [
            _detector(Kind.CHILD, child, films.tune, mode=mode, unless_from=clearly),
            _detector(Kind.CHEST, chest, films.tune, mode=mode, unless_from=None),
        ]
    limit = float(np.quantile([film.distance for film in films.tune], 1 - LIMIT_REFUSALS))
    return Familiarity(limit, tuple(detectors))


def detector_films(films: Films) -> tuple[DetectorFilms, ...]:
    """Return what the detectors were fitted on, for the provenance."""
    growing, grown = _hands(films)
    return (
        DetectorFilms("boneage, growing hands", "child", len(growing), BONEAGE),
        DetectorFilms("boneage, grown hands", "not child", len(grown), BONEAGE),
        DetectorFilms("ood_chest_children, train", "chest", len(films.chests), CHESTS),
        DetectorFilms("fracatlas train, normal", "not chest", len(films.normal), FRACATLAS),
        DetectorFilms("oai_knee", "neither", len(films.knees), KNEES),
        DetectorFilms("shoulder_implants", "neither", len(films.shoulders), SHOULDERS),
        DetectorFilms("fracatlas tune", "limits", len(films.tune), FRACATLAS),
    )


def _hands(films: Films) -> tuple[list[Film], list[Film]]:
    """Return the growing and the grown hands that may be fitted on."""
    train = [film for film in films.hands if is_train(film.row)]
    growing = [film for film in train if film.months <= GROWING_UNTIL_MONTHS]
    return growing, [film for film in train if film.months >= GROWN_FROM_MONTHS]


def _fit(
    mode: InferenceMode,
    found: Sequence[tuple[list[Film], float]],
    others: Sequence[tuple[list[Film], float]],
) -> Floats:
    """Return weights (k + 1,), the bias last: of the films to be found against others.

    Each set of films has the weight beside it, each film of a set the same, each input of a film
    the same: a film with many tiles counts no more than another.
    """
    rows, positive, weights = [], [], []
    for sets, label in ((found, 1), (others, 0)):
        for films, weight in sets:
            for film in films:
                features = film.features(mode)
                rows.append(features.astype(np.float64))
                positive.append(np.full(len(features), label))
                weights.append(np.full(len(features), weight / len(films) / len(features)))
    x = np.concatenate(rows)
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.full(design.shape[1], RIDGE)
    ridge[-1] = 0.0
    fitted, _ = fit_logistic(
        design, np.concatenate(positive), ridge=ridge, weight=np.concatenate(weights)
    )
    return fitted


def _detector(
    kind: Kind, fitted: Floats, tune: list[Film], *, mode: InferenceMode, unless_from: float | None
) -> Detector:
    """Return the detector with the limit that `TUNE_SHARE` of the tune films lie above."""
    weights, bias = tuple(float(number) for number in fitted[:-1]), float(fitted[-1])
    unlimited = Detector(kind, weights, bias, 0.0, None)
    scores = [unlimited.score(film.features(mode)) for film in tune]
    limit = float(np.quantile(scores, 1 - TUNE_SHARE[kind]))
    return Detector(kind, weights, bias, limit, unless_from, mode.name)
