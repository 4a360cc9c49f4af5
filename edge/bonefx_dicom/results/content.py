"""What a result says, in the words and numbers that all its DICOM objects share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonefx_edge.inference.decision import Caution, State
from bonefx_edge.inference.regions import Rectangle
from bonefx_edge.inference.score_scale import FRACTURE_FROM, UNCERTAIN_FROM, shown

WARNING: Final = "AI result, not for diagnosis"
"""Stands in every object: drawn into the picture, as text in the others."""
_HEADLINES: Final = {
    State.FRACTURE: "Fracture suspected",
    State.UNCERTAIN: "Uncertain",
    State.NO_FRACTURE: "No fracture suspected",
    State.REFUSED: "Not evaluated",
}
_HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class ResultContent:
    """The parts of a finding that go into DICOM objects; every text is ASCII.

    Without times, path and runtime: the same film under the same model gives the same content.
    """

    film_sha256: str
    state: State
    reason: str | None
    caution: Caution | None
    """Why an uncertain film is so whatever its score is."""
    detail: str | None
    p_fracture: float | None
    """[0, 1], after temperature; None for a refused film."""
    score: float | None
    """[0, 1] on the scale of people; None for a refused film."""
    regions: tuple[Rectangle, ...]
    """(left, top, right, bottom) in pixels of the film, strongest first."""
    model_name: str
    model_version: str
    model_sha256: str
    parameters: tuple[str, ...]
    """How the model was used: mode, operating point, thresholds, site profile, site switches."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ResultContent":
        """Return the content of a finding as JSON, see docs/finding.md.

        Raises
        ------
        KeyError
            A key of `bonefx.finding/2` is absent.
        ValueError
            `sha256` is null: without content there is no object.
        """
        if record["sha256"] is None:
            msg = "expected the result of a file that could be read, got one without sha256"
            raise ValueError(msg)
        model = record["model"]
        caution = record.get("caution")  # results of bonefx 0.5 have none
        return cls(
            film_sha256=record["sha256"],
            state=State(record["state"]),
            reason=record["reason"],
            caution=Caution(caution) if caution else None,
            detail=None if record["detail"] is None else ascii_text(record["detail"]),
            p_fracture=record["p_fracture"],
            score=record["score"],
            regions=tuple(
                (each["left"], each["top"], each["right"], each["bottom"])
                for each in record["regions"]
            ),
            model_name=ascii_text(model["name"]),
            model_version=ascii_text(model["version"]),
            model_sha256=model["sha256"],
            parameters=tuple(map(ascii_text, _parameters(record))),
        )

    @property
    def headline(self) -> str:
        """The answer in a few words, with its caution."""
        words = _HEADLINES[self.state]
        return words if self.caution is None else f"{words} ({self.caution})"

    @property
    def explanation(self) -> str:
        """The score with its scale, or why it does not decide, or why the film was refused."""
        if self.score is None:
            return f"{self.reason}: {self.detail}"
        if self.caution is not None:
            return f"{self.detail} The score, {shown(self.score)}, does not decide."
        return (
            f"Score {shown(self.score)}: below {UNCERTAIN_FROM} no fracture, "
            f"from {FRACTURE_FROM} fracture, between uncertain."
        )

    @property
    def model(self) -> str:
        """Name, version and hash of the model file."""
        return f"{self.model_name} {self.model_version} ({self.model_sha256[:_HASH_DIGITS]})"


def ascii_text(text: str) -> str:
    r"""Return text that is the same in every character set of DICOM (PS3.5 section 6.1).

    No backslash and no tilde: ISO_IR 13 has a yen sign and an overline there.

    >>> ascii_text("3 \u00d7 4\n")
    '3 ? 4 '
    """
    return "".join(c if " " <= c < "~" and c != "\\" else " " if c == "\n" else "?" for c in text)


def _thresholds(record: Mapping[str, Any]) -> str:
    low, high = record["no_fracture_below"], record["fracture_from"]
    return f"no fracture below {low:.6g}, fracture from {high:.6g}"


def _parameters(record: Mapping[str, Any]) -> list[str]:
    """Return the settings of a finding, one sentence each."""
    profile = record["site_profile"]
    found = [
        f"model sha256 {record['model']['sha256']}",
        f"mode {record['mode']}",
        f"operating point {record['operating_point']}: {_thresholds(record)}",
        f"site profile {profile['sha256']} of {profile['date']}"
        if profile
        else "not commissioned: thresholds of the model, not of this site",
    ]
    return found + [f"accepted fault: {name}" for name in record["accepted"]]
