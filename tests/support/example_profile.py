"""A site profile for the toy model."""

from pathlib import Path
from typing import Any

from bonefx_edge.inference.decision import Proportion
from bonefx_edge.model.model_file import ModelFile
from bonefx_edge.model.site_profile import (
    SCHEMA,
    ProfileFilms,
    ProfileLimit,
    ProfileModel,
    Quantiles,
    SiteProfile,
)
from toy import toy_path


def toy_profile(**changes: Any) -> SiteProfile:
    """Return a profile for the int8 toy: fracture from 0.9, no fracture below 0.1."""
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "created": "2026-11-29T02:10:00+00:00",
        "by": "A. Physicist",
        "model": ProfileModel(
            name="toy",
            version="1.0.0",
            sha256=ModelFile.read(toy_path("int8")).sha256,
            mode="whole",
            operating_point="balanced",
        ),
        "no_fracture_below": 0.1,
        "fracture_from": 0.9,
        "normal": ProfileFilms(films=62, patients=61, refused=1),
        "fractured": ProfileFilms(films=0, patients=0, refused=0),
        "specificity": Proportion(value=0.9, low=0.8, high=0.95, n=60),
        "sensitivity": None,
        "fracture_limit": ProfileLimit(
            rule="expected",
            wanted=0.1,
            confidence=0.9,
            n=60,
            beyond=5,
            expected=6 / 61,
            at_most=0.149,
        ),
        "no_fracture_limit": None,
        "levels": (0.05, 0.5, 0.95),
        "reference": (Quantiles("p_fracture", 60, (0.1, 0.3, 0.8)),),
    }
    return SiteProfile(**(fields | changes))


def write_profile(folder: Path, **changes: Any) -> Path:
    """Write `toy_profile` below `folder`; return its path."""
    path = folder / "site-profile.json"
    path.write_text(toy_profile(**changes).to_json())
    return path
