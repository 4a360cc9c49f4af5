"""What edge-admin prints."""

import json
from typing import TYPE_CHECKING

from bonefx_edge import NOTICE
from bonefx_edge.inference.decision import OperatingPoint

if TYPE_CHECKING:  # they import NumPy or OpenCV, and the doctor must start where those are broken
    from bonefx_edge.inference.tiling import InferenceMode
    from bonefx_edge.model.manifest import Manifest, OutputSpec


def describe(manifest: "Manifest") -> str:
    """Return the manifest in lines for people."""
    spec, about = manifest.input, manifest.provenance
    limit = manifest.input_check.distance_limit
    lines = [
        f"model        {manifest.name} {manifest.version}, {manifest.kind}",
        f"network      {about.network}",
        f"classes      0 = {manifest.labels[0]}, 1 = {manifest.labels[1]}",
        f"input        {spec.width}x{spec.height}, {spec.resize}, {spec.aspect}, {spec.scale}",
        f"outputs      {_describe_output(manifest.output)}",
        f"trained on   {about.training_data}, {about.n_train or 'unknown number of'} radiographs",
        f"written      {about.created} by {about.converter}",
        f"distance     {'not measured' if limit is None else f'refused above {limit:.4g}'}",
        f"recorded     representative set {about.representative_sha256[:12] or '-'}",
        f"settings     {json.dumps(about.settings)}",
        f"metrics      {json.dumps(about.metrics)}",
    ]
    familiarity = manifest.input_check.familiarity
    if familiarity is not None:
        kinds = ", ".join(
            f"{each.kind} in {each.mode or 'every mode'}" for each in familiarity.detectors
        )
        lines.append(
            f"unfamiliar   distance above {familiarity.distance_limit:.4g}; detectors: "
            f"{kinds or 'none'}"
        )
    lines += [
        f"detectors    {films.used_for}: {films.name}, {films.n} films, {films.licence}"
        for films in about.detector_films or ()
    ]
    lines += _describe_ages(manifest)
    for mode in manifest.modes:
        lines += _describe_mode(mode)
    lines += [
        f"verified     {r.name} {r.version} {r.machine}: {r.images} images, "
        f"largest logit difference {r.max_logit_difference:.3g}"
        for r in manifest.verified_runtimes
    ]
    return "\n".join([*lines, NOTICE, ""])


def _describe_ages(manifest: "Manifest") -> list[str]:
    ages = manifest.evaluated_ages
    if ages is None:
        return []
    lines = [f"ages         answered: {ages.answered} ({ages.rule})"]
    for band in ages.bands:
        share = band.called_fracture
        lines.append(
            f"  {band.ages}: {share.value:.3f} of normal films score as fracture "
            f"(95 % {share.low:.3f} to {share.high:.3f}, n {share.n}; {band.source})"
        )
    return lines


def _describe_output(output: "OutputSpec") -> str:
    text = f"logit {output.logit} of class {output.high_means_class}"
    text += "" if output.map is None else f", map {output.map}"
    return text + ("" if output.features is None else f", features {output.features}")


def _describe_mode(mode: "InferenceMode") -> list[str]:
    logit = (
        f"{mode.offset:+.4g} {mode.whole_weight:+.4g} whole "
        f"{mode.tile_weight:+.4g} tiles {-mode.map_weight:+.4g} highest cell"
    )
    lines = [f"mode {mode.name}, temperature {mode.temperature:.4g}, logit {logit}"]
    lines += [
        f"  tiles of {spec.share:.0%} of a film of at most {spec.longest_px} px, overlap "
        f"{spec.overlap:.0%}: {spec.max_tiles} on a square image"
        for spec in mode.tiles
    ]
    if mode.tile_selection is not None:
        lines.append(
            f"  tiles with at least {mode.tile_selection.min_share:.0%} brighter than "
            f"{mode.tile_selection.gray_level} of 255, at least one of each grid"
        )
    if mode.refinement is not None:
        finer = mode.refinement
        lines.append(
            f"  then at most {finer.tiles} tiles of {finer.grid.share:.0%} where these found most"
        )
    if not mode.operating_points:
        lines.append("  no operating point: every film is uncertain; see edge-admin commission")
    for point in mode.operating_points:
        lines += [f"  {line}" for line in _describe_operating_point(point)]
    return lines


def _describe_operating_point(point: OperatingPoint) -> list[str]:
    lines = [
        f"operating point {point.name}: {point.chosen_for}, on {point.chosen_on}",
        f"  no_fracture below {point.no_fracture_below:.4f}",
        f"  fracture from {point.fracture_from:.4f}",
    ]
    for name, share in (("sensitivity", point.sensitivity), ("specificity", point.specificity)):
        interval = f"95 % {share.low:.3f} to {share.high:.3f}, n {share.n}"
        lines.append(f"  {name} {share.value:.3f} ({interval})")
    return lines
