"""An evaluation: its figures, and how they are written down."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from bonefx_edge.inference.decision import OperatingPoint

from bonefx_train.markdown import open_templates


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    meaning: str
    """One line that says of which images, and what counts."""
    value: float | None
    """None where it is undefined: no image to measure it on, or images of one class only."""
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    """Upper end of the 95 % interval."""
    n: int
    """Images in the denominator."""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one subset of the images."""

    subset: str
    """all, without hardware, or a body part; an image that shows two parts counts in both."""
    n: int
    fractured: int
    groups: int
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        """Return the figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """How many films of one label got each state, at one operating point."""

    operating_point: str
    label: str
    fracture: int
    uncertain: int
    no_fracture: int
    refused: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one network on one split."""

    notice: str
    split: str
    operating_point: OperatingPoint
    interval: str
    """How the intervals were taken."""
    distinct_scores: int
    """Different values of p_fracture among all images."""
    baseline_auc: float | None
    """AUC that features without pixels reach on this data set, as the user states it."""
    refused: tuple[tuple[str, str], ...]
    """(key, reason code) of images of the split that could not be read; not in any figure."""
    rows: tuple[Row, ...]
    """The first is over all images."""
    fitted_on: bool = False
    """Whether the network was fitted on these images."""
    confusion: tuple[ConfusionRow, ...] = ()
    """At each operating point; empty where they were not counted."""

    def to_json(self) -> str:
        """Return the evaluation as JSON text."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """Return the evaluation as Markdown: notice, circumstances, figures, subsets."""
        template = open_templates(Path(__file__).parent).get_template("evaluation.md.j2")
        return template.render(dataclasses.asdict(self))
