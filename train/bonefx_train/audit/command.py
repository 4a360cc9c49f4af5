"""What the commands audit and split do: find, write, say."""

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bonefx_edge.errors import UsageError

from bonefx_train.audit.audit import Audit, run_audit
from bonefx_train.audit.contact_sheets import write_sheets
from bonefx_train.audit.duplicates import Likeness
from bonefx_train.audit.report import to_json, to_markdown
from bonefx_train.data.sample import SPLITS, Sample
from bonefx_train.data.split import SHARES, assign_splits, check_both_classes
from bonefx_train.errors import DataError
from bonefx_train.text_file import write_text

logger = logging.getLogger(__name__)

COLUMNS: Final = ("path", "label", "group", "split", "body_part", "hardware")
"""As `manifest_csv` reads them."""
TOLERANCE: Final = 1e-6
"""Of the sum of the shares: 0.7 + 0.15 + 0.15 is not 1 in binary."""
MAX_LISTED: Final = 5


def audit_data(data: Path, *, out: Path | None) -> tuple[Audit, str]:
    """Return the audit of `data` and its Markdown; write both and contact sheets into `out`.

    Raises
    ------
    UsageError
        If `out` is not empty or lies within the data, where its pictures would become images.
    DataError
        If the images cannot be found, labelled or read.
    """
    if out is not None:
        _check_out_folder(out, data=data)
    audit = run_audit(data)
    if out is None:
        return audit, to_markdown(audit)
    out.mkdir(parents=True, exist_ok=True)
    sheets = write_sheets(audit, out)
    markdown = to_markdown(audit, sheets=sheets)
    write_text(out / "audit.md", markdown)
    write_text(out / "audit.json", to_json(audit))
    logger.info("audit.md, audit.json and %s contact sheets are in %s", len(sheets), out)
    return audit, markdown


def split_data(data: Path, *, out: Path, seed: int, shares: dict[str, float]) -> list[Sample]:
    """Return the readable images of `data`, divided again by group, and write them as a manifest.

    Copies and name families that the audit finds are joined to one group. Images that the decoder
    refuses are left out; given splits are not kept. Both are logged.

    Raises
    ------
    UsageError
        If `out` exists, or does not lie in the data folder or above it, as a manifest must.
    DataError
        If the images cannot be found, labelled or divided, or identical images have both labels.
    """
    _check_out_file(out, data=data)
    audit = run_audit(data)
    _check_labels(audit)
    refused = {refusal.key for refusal in audit.refused}
    images = [
        replace(sample, group=audit.groups[sample.key])
        for sample in audit.samples
        if sample.key not in refused
    ]
    divided = assign_splits(images, shares=shares, seed=seed)
    check_both_classes(divided)
    _log_split(audit, divided, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, manifest_csv(divided, folder=out.absolute().parent))
    return divided


def parse_shares(text: str) -> dict[str, float]:
    """Return split -> share of `0.7,0.15,0.15` (train, tune, test; test may be 0 or left out).

    Raises
    ------
    UsageError
        If these are not two or three numbers that add up to 1, train and tune above 0.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    needed = len(SPLITS) - 1
    fits = needed <= len(numbers) <= len(SPLITS) and abs(sum(numbers) - 1) <= TOLERANCE
    if not fits or min(numbers) < 0 or min(numbers[:needed]) == 0:
        msg = (
            "shares: expected two or three numbers that add up to 1, train, tune and test, such "
            f"as {format_shares(SHARES)}, train and tune above 0; got {text!r}; write them so"
        )
        raise UsageError(msg)
    return {split: share for split, share in zip(SPLITS, numbers, strict=False) if share > 0}


def format_shares(shares: dict[str, float]) -> str:
    """Return the shares as `parse_shares` reads them."""
    return ",".join(f"{shares.get(split, 0):g}" for split in SPLITS)


def manifest_csv(samples: Sequence[Sample], *, folder: Path) -> str:
    """Return the images as the text of a manifest CSV that lies in `folder`, which is absolute."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for s in samples:
        path = s.path.relative_to(folder).as_posix()
        writer.writerow([path, s.label, s.group, s.split, s.body_part, int(s.hardware)])
    return text.getvalue()


def _check_out_folder(out: Path, *, data: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out}: expected a new or empty folder, got one that holds something; name another"
        raise UsageError(msg)
    root = data if data.is_dir() else data.parent
    if data.exists() and out.resolve().is_relative_to(root.resolve()):
        msg = (
            f"{out}: expected a folder outside {root}, got one within, where the contact sheets "
            "would be taken for images; name another"
        )
        raise UsageError(msg)


def _check_out_file(out: Path, *, data: Path) -> None:
    if out.exists():
        msg = f"{out}: expected a new file, got one that exists; name another or remove it"
        raise UsageError(msg)
    root = (data if data.is_dir() else data.parent).absolute()
    if data.exists() and not root.is_relative_to(out.absolute().parent):
        msg = (
            f"{out}: expected a file in {root} or above it, since a manifest names images below "
            f"its own folder; write {root / out.name}"
        )
        raise UsageError(msg)


def _check_labels(audit: Audit) -> None:
    """Refuse identical images with both labels, as `fit` would; near ones stay in one group."""
    label = {sample.key: sample.label for sample in audit.samples}
    identical = [
        f"{copy.first}, {copy.second}"
        for cluster in audit.contradictions
        for copy in cluster.copies
        if copy.likeness is not Likeness.NEAR and label[copy.first] is not label[copy.second]
    ]
    if identical:
        msg = (
            f"expected one label per image, got {len(identical)} pairs of identical images with "
            f"both, such as {'; '.join(identical[:MAX_LISTED])}; see bonefx-train audit, remove "
            "the wrong one of each"
        )
        raise DataError(msg)


def _log_split(audit: Audit, divided: Sequence[Sample], *, seed: int) -> None:
    if any(sample.split for sample in audit.samples):
        logger.info("the data names splits: they are not kept, all images are divided again")
    if audit.contradictions:
        count = len(audit.contradictions)
        logger.info("%s sets of near duplicates have both labels: see bonefx-train audit", count)
    if audit.refused:
        reasons = sorted({refusal.reason for refusal in audit.refused})
        logger.info("left out, unreadable: %s (%s)", len(audit.refused), ", ".join(reasons))
    before = len({sample.group for sample in audit.samples})
    after = len({sample.group for sample in divided})
    logger.info(
        "%s images, %s groups (%s before joining copies), seed %s",
        len(divided),
        after,
        before,
        seed,
    )
