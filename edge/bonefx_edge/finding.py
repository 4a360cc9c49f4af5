"""The result for one file, in memory and as JSON."""

import dataclasses
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bonefx_edge import NOTICE
from bonefx_edge.decode.options import SiteSwitch
from bonefx_edge.decode.radiograph import GrayMapping, Radiograph
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.inference.decision import (
    CLASS_OF_STATE,
    Caution,
    Decision,
    OperatingPoint,
    SiteProfileId,
    State,
)
from bonefx_edge.inference.regions import Region
from bonefx_edge.inference.score_scale import display_score

if TYPE_CHECKING:
    from bonefx_edge.inference.heatmap import HeatMap
    from bonefx_edge.inference.input_check import Statistics
    from bonefx_edge.inference.judge import Evidence
    from bonefx_edge.inference.preprocess import InputSpec
    from bonefx_edge.inference.tiles import Tiles
    from bonefx_edge.inference.tiling import InferenceMode, NetworkOutputs

SCHEMA: Final = "bonefx.finding/2"
"""Raised when a field changes its meaning or goes away; new fields do not raise it."""
_TIMING_DIGITS: Final = 3
"""Microseconds: finer is noise."""


@dataclass(frozen=True, slots=True)
class ModelId:
    """The model file that made a finding."""

    name: str
    version: str
    sha256: str
    """Of the whole model file, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock time of each stage, in milliseconds; None where a stage was not reached."""

    read_ms: float | None = None
    hash_ms: float | None = None
    decode_ms: float | None = None
    input_check_ms: float | None = None
    preprocess_ms: float | None = None
    invoke_ms: float | None = None
    """Of the network on the whole film."""
    tiles_ms: float | None = None
    """Of extracting, preprocessing and running the tiles; None without tiles."""
    total_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Result for one file. A refused file has a reason and no numbers, any other the reverse."""

    path: str
    """As given by the caller, or as found in the folder given."""
    sha256: str | None
    """Of the file's content, hexadecimal; None where the content could not be read."""
    state: State
    reason: Reason | None
    """Why the file was refused."""
    caution: Caution | None
    """Why the state is `uncertain` whatever the score; None for other states."""
    detail: str | None
    """The refusal or the caution in words: what was expected, what came, what to do."""
    p_fracture: float | None
    """[0, 1], after temperature."""
    original_class: int | None
    """0 broken, 1 not broken: `predict().round()` of the original presentation, which knows no
    operating point. None for a refused file, and where the score is not the network's own."""
    mode: str
    """tiled or whole: which inputs the network got."""
    regions: tuple[Region, ...]
    """Tiles that call fracture on their own, strongest first; a refusal and a `no_fracture` have
    none, nor has the mode `whole`."""
    operating_point: str
    """Name of the operating point that made `state` of `p_fracture`."""
    no_fracture_below: float
    """Its first threshold: `p_fracture` under this is `no_fracture`."""
    fracture_from: float
    """Its second threshold: `p_fracture` from this on is `fracture`; between: `uncertain`."""
    site_profile: SiteProfileId | None
    """Where the thresholds are from; None: from the model file, not commissioned at this site."""
    model: ModelId
    runtime: str
    """Interpreter and its version, and its threads where it has more than one."""
    gray_mapping: GrayMapping | None
    """How stored values became gray levels."""
    body_part: str | None
    """DICOM Body Part Examined (0018,0015) in small letters; None where the file names none, and
    for a refused file."""
    accepted: tuple[SiteSwitch, ...]
    """Site switches without which the file would have been refused; none for a refusal."""
    timings: Timings

    def __post_init__(self) -> None:
        refused = self.state is State.REFUSED
        if refused != (self.reason is not None) or refused != (self.p_fracture is None):
            msg = f"finding: state {self.state} does not go with reason {self.reason}"
            raise ValueError(msg)
        if self.caution is not None and self.state is not State.UNCERTAIN:
            msg = f"finding: state {self.state} does not go with caution {self.caution}"
            raise ValueError(msg)

    @property
    def class_index(self) -> int | None:
        """The class of the original presentation that `state` means: 0 broken, 1 not broken."""
        return CLASS_OF_STATE.get(self.state)

    @property
    def score(self) -> float | None:
        """What a reader sees, [0, 1]: 0.33 and 0.67 are the thresholds. None for a refused file."""
        if self.p_fracture is None:
            return None
        return display_score(
            self.p_fracture,
            no_fracture_below=self.no_fracture_below,
            fracture_from=self.fracture_from,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of docs/finding.md, keys in that order."""
        timings = dataclasses.asdict(self.timings)
        return {
            "schema": SCHEMA,
            "path": self.path,
            "sha256": self.sha256,
            "state": self.state.value,
            "reason": self.reason.value if self.reason else None,
            "caution": self.caution.value if self.caution else None,
            "detail": self.detail,
            "score": self.score,
            "p_fracture": self.p_fracture,
            "class_index": self.class_index,
            "original_class": self.original_class,
            "mode": self.mode,
            "regions": [dataclasses.asdict(region) for region in self.regions],
            "operating_point": self.operating_point,
            "no_fracture_below": self.no_fracture_below,
            "fracture_from": self.fracture_from,
            "site_profile": dataclasses.asdict(self.site_profile) if self.site_profile else None,
            "model": dataclasses.asdict(self.model),
            "runtime": self.runtime,
            "gray_mapping": self.gray_mapping.value if self.gray_mapping else None,
            "body_part": self.body_part,
            "accepted": [switch.value for switch in self.accepted],
            "timings_ms": {
                name.removesuffix("_ms"): value if value is None else round(value, _TIMING_DIGITS)
                for name, value in timings.items()
            },
            "notice": NOTICE,
        }


@dataclass(frozen=True, slots=True)
class Predictor:
    """What makes findings: a model, its mode, its thresholds and its interpreter."""

    model: ModelId
    mode: "InferenceMode"
    operating_point: OperatingPoint
    runtime: str
    """Interpreter and its version, and its threads where it has more than one."""
    site_profile: SiteProfileId | None = None

    def finding(
        self,
        name: str | Path,
        sha256: str | None,
        clock: "Stopwatch",
        *,
        decision: Decision | None = None,
        regions: tuple[Region, ...] = (),
        radiograph: Radiograph | None = None,
        error: DecodeError | None = None,
    ) -> Finding:
        """Return the finding of a decision, or of the error for which the file is refused."""
        return Finding(
            path=str(name),
            sha256=sha256,
            state=decision.state if decision else State.REFUSED,
            reason=error.reason if error else None,
            caution=decision.caution if decision else None,
            detail=str(error) if error else decision.detail if decision else None,
            p_fracture=decision.p_fracture if decision else None,
            original_class=decision.original_class
            if decision and self.mode.is_network_output
            else None,
            mode=self.mode.name,
            regions=regions,
            operating_point=self.operating_point.name,
            no_fracture_below=self.operating_point.no_fracture_below,
            fracture_from=self.operating_point.fracture_from,
            site_profile=self.site_profile,
            model=self.model,
            runtime=self.runtime,
            gray_mapping=radiograph.gray_mapping if radiograph else None,
            body_part=_body_part(radiograph),
            accepted=radiograph.accepted if radiograph else (),
            timings=clock.timings(),
        )


def _body_part(radiograph: Radiograph | None) -> str | None:
    """Return what the header names if it is a code string (PS3.5, 6.2: CS), and no free text."""
    text = ((radiograph and radiograph.body_part) or "").strip().lower()
    return text if _CODE_STRING.fullmatch(text) else None


_CODE_STRING: Final = re.compile("[a-z0-9_ ]{1,16}")


@dataclass(frozen=True, slots=True)
class Analysis:
    """A finding, and what it was made from. The outputs are None for a refused file."""

    finding: Finding
    data: bytes = b""
    """Content of the file; empty where it could not be read, and for pixels in memory."""
    radiograph: Radiograph | None = None
    """As the network saw it: a large film may be reduced, see `decode.downscale`."""
    whole: "NetworkOutputs | None" = None
    """For the whole film."""
    tiles: "Tiles | None" = None
    """None without tiles, too."""
    tile_outputs: "NetworkOutputs | None" = None
    """For the tiles, in their order."""
    evidence: "Evidence | None" = None
    """What the decision was made from."""
    statistics: "Statistics | None" = None
    """Of the pixels, as the input check measured them."""

    def heat_map(self, spec: "InputSpec") -> "HeatMap | None":
        """Return the heat map of a network with a map output; None for a refused file."""
        if self.radiograph is None or self.whole is None:
            return None
        from bonefx_edge.inference.heatmap import draw_heat_map  # here: most callers want none

        return draw_heat_map(
            self.radiograph.shape,
            whole=self.whole,
            tiles=self.tiles,
            tile_outputs=self.tile_outputs,
            spec=spec,
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """A finding with its heat map."""

    finding: Finding
    heat_map: "HeatMap | None"
    """None for a refused file."""
    radiograph: Radiograph | None
    """The film in full size; None for a refused file."""


class Stopwatch:
    """Wall-clock milliseconds between laps; monotonic."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Note the time since the last lap as that of `stage`, a field of `Timings`."""
        now = time.perf_counter()
        self._laps[stage] = (now - self._last) * 1e3
        self._last = now

    def timings(self) -> Timings:
        """Return the laps, with the total until now."""
        total_ms = (time.perf_counter() - self._start) * 1e3
        return Timings(**self._laps, total_ms=total_ms)
