"""Each film of the site through the classifier, once; what the films are like, for drift."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bonefx_edge.classifier import Classifier
from bonefx_edge.diagnostics.commissioning.films import SiteFilm
from bonefx_edge.finding import Finding
from bonefx_edge.inference.decision import Decision
from bonefx_edge.inference.input_check import Statistics
from bonefx_edge.inference.judge import Evidence, Rules
from bonefx_edge.model.site_profile import Quantiles

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the quantiles in a site profile."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the model did with one film."""

    film: SiteFilm
    finding: Finding
    body_part: str
    """Of the CSV, else of the DICOM file, in small letters; "" where unknown."""
    age_years: float | None
    """Of the CSV, else of the DICOM file."""
    statistics: Statistics | None
    """None for a refused film."""
    distance: float | None
    """Mean square of the network's features of the whole film, as the input check measures it;
    None for a refused film, and for a network without features."""
    evidence: Evidence | None
    """None for a refused film."""

    def decide(self, rules: Rules) -> Decision | None:
        """Return what the service answers by these rules; None for a refused film."""
        return rules.judge(self.evidence) if self.evidence is not None else None

    @property
    def p_fracture(self) -> float | None:
        """None for a refused film."""
        return self.finding.p_fracture

    @property
    def patient(self) -> str:
        """What films of one patient share; copies of one film are of one patient."""
        return self.film.group or self.finding.sha256 or str(self.film.path)


def measure(classifier: Classifier, film: SiteFilm) -> Measured:
    """Return what the model does with one film, by the path of every other film."""
    analysis = classifier.analyze(film.path)
    radiograph, whole = analysis.radiograph, analysis.whole
    features = whole.features if whole is not None else None
    return Measured(
        film=film,
        finding=analysis.finding,
        body_part=film.body_part or ((radiograph and radiograph.body_part) or "").lower(),
        age_years=film.age_years
        if film.age_years is not None or radiograph is None
        else radiograph.age_years,
        statistics=analysis.statistics,
        distance=float(np.mean(np.square(features, dtype=np.float64)))
        if features is not None
        else None,
        evidence=analysis.evidence,
    )


def reference_quantiles(measured: Sequence[Measured]) -> tuple[Quantiles, ...]:
    """Return quantiles at `LEVELS` of score, input statistics and distance of answered films."""
    found = [each.statistics for each in measured if each.statistics is not None]
    columns = {
        "p_fracture": [each.p_fracture for each in measured if each.p_fracture is not None],
        "mean": [each.mean for each in found],
        "std": [each.std for each in found],
        "roughness": [each.roughness for each in found],
        "distance": [each.distance for each in measured if each.distance is not None],
    }
    return tuple(
        Quantiles(name, len(numbers), tuple(np.quantile(numbers, LEVELS).tolist()))
        for name, numbers in columns.items()
        if numbers
    )
