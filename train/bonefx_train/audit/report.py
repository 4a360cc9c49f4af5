"""An audit as Markdown for a person and as JSON for a program."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from bonefx_train.audit.audit import Audit, Leak
from bonefx_train.audit.baseline import Baseline
from bonefx_train.audit.duplicates import Cluster, Copy
from bonefx_train.data.sample import SPLITS, Label, Sample

MAX_LISTED: Final = 20
"""Entries of one kind in the Markdown; the JSON has all."""
MAX_IMAGES: Final = 6
"""Images named of one set in the Markdown."""

Describe = Callable[[str], str]
"""Key -> the key with label and split."""


def to_json(audit: Audit) -> str:
    """Return the audit as JSON text; keys are paths below the data folder, none is absolute."""
    told = {
        "clean": audit.is_clean,
        "missing": audit.missing,
        "images": len(audit.samples),
        "notes": audit.notes,
        "contradictions": [asdict(cluster) for cluster in audit.contradictions],
        "leaks": [asdict(leak) for leak in audit.leaks],
        "copies": [asdict(cluster) for cluster in audit.clusters],
        "families": audit.families,
        "refused": [asdict(refusal) for refusal in audit.refused],
        "junk": audit.junk,
        "unused": audit.unused,
        "baselines": [asdict(baseline) for baseline in audit.baselines],
    }
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def to_markdown(audit: Audit, *, sheets: Sequence[str] = ()) -> str:
    """Return the audit as Markdown, what must be mended first; `sheets` are names of pictures."""
    samples = {sample.key: sample for sample in audit.samples}

    def describe(key: str) -> str:
        sample = samples[key]
        return f"`{key}` ({', '.join(filter(None, (sample.label.value, sample.split)))})"

    parts = [
        _head(audit),
        _section(
            "Copies with both labels",
            "One of the labels is wrong. Correct it or remove the image.",
            [_cluster(cluster, describe) for cluster in audit.contradictions],
        ),
        _section(
            "Leaks across splits",
            "Test figures count images that the network was fitted on. Split again by group.",
            [_leak(leak, describe) for leak in audit.leaks],
        ),
        _section(
            "Copies",
            "One image several times: harmless within one split and label, but it counts double.",
            [_cluster(cluster, describe) for cluster in audit.clusters],
        ),
        _section(
            "Families of file names",
            "Names that differ after a copy's mark only, such as -rotated2 or (1).",
            [_images(family, describe) for family in audit.families],
        ),
        _section(
            "Refused files",
            "The device's decoder does not read them; neither fit nor split will use them.",
            [f"`{refusal.key}`: {refusal.reason}" for refusal in audit.refused],
        ),
        _section(
            "Junk",
            "Left behind by file managers, or a color picture, which the device refuses. "
            "Delete or move it.",
            [f"`{name}`" for name in audit.junk],
        ),
        _section(
            "Other files",
            "No label was found for them: outside class folders, or not in the manifest.",
            [f"`{name}`" for name in audit.unused],
        ),
        _baselines(audit.baselines),
        _section("Contact sheets", "Images of patients: keep them where the data is.", sheets),
    ]
    return "\n".join(line for part in parts for line in part)


def _verdict(audit: Audit) -> str:
    if audit.is_clean:
        return "**No leak across splits, no copies with both labels.**"
    missing = "".join(
        f"No image is {label.value.replace('_', ' ')}: images of both classes are needed. "
        for label in audit.missing
    )
    return (
        f"**Mend before fitting: {missing}{len(audit.contradictions)} images with both labels, "
        f"{len(audit.leaks)} leaks across splits.**"
    )


def _head(audit: Audit) -> list[str]:
    return [
        "# Audit",
        "",
        _verdict(audit),
        "",
        *_census(audit.samples),
        f"- {len(set(audit.groups.values()))} groups after joining copies and name families",
        *(f"- {note}" for note in audit.notes),
        "",
    ]


def _census(samples: Sequence[Sample]) -> list[str]:
    counts = Counter((sample.split, sample.label) for sample in samples)
    return [
        f"- {split or 'without a split'}: {counts[split, Label.FRACTURED]} fractured, "
        f"{counts[split, Label.NOT_FRACTURED]} not fractured"
        for split in (*SPLITS, "")
        if any(counts[split, label] for label in Label)
    ]


def _section(title: str, meaning: str, entries: Sequence[str]) -> list[str]:
    """Return a section with at most MAX_LISTED entries; a single line where there are none."""
    if not entries:
        return [f"## {title}: none", ""]
    more = len(entries) - MAX_LISTED
    rest = [f"- … and {more} more in audit.json"] if more > 0 else []
    listed = [f"- {entry}" for entry in entries[:MAX_LISTED]]
    return [f"## {title}: {len(entries)}", "", meaning, "", *listed, *rest, ""]


def _images(keys: Sequence[str], describe: Describe) -> str:
    more = f", … {len(keys)} images" if len(keys) > MAX_IMAGES else ""
    return ", ".join(describe(key) for key in keys[:MAX_IMAGES]) + more


def _leak(leak: Leak, describe: Describe) -> str:
    return f"{leak.because}: {_images(leak.keys, describe)}"


def _cluster(cluster: Cluster, describe: Describe) -> str:
    how = Counter(describe_copy(copy) for copy in cluster.copies)
    told = "; ".join(f"{n} x {what}" if n > 1 else what for what, n in how.most_common(MAX_IMAGES))
    return f"{_images(cluster.keys, describe)}: {told}"


def describe_copy(copy: Copy) -> str:
    """Return in what two copies agree, such as `near duplicate 0.97, turned 33°, mirrored`."""
    found = copy.agreement
    if found is None:
        return copy.likeness.value
    words = [f"{copy.likeness} {found.correlation:.2f}"]
    degrees = round(found.degrees) % 360
    words += [f"turned {degrees}°"] if degrees else []
    words += ["mirrored"] if found.mirrored else []
    words += ["negative"] if found.negative else []
    return ", ".join(words)


def _baselines(baselines: Sequence[Baseline]) -> list[str]:
    lines = [
        "## What shortcuts alone are worth",
        "",
        "AUC of a logistic regression that looks for no fracture, five-fold cross-validated over",
        "groups, 95 % interval over groups. Frame: width, height, file size, format, JPEG tables.",
        "Gray level statistics: mean and spread of image and border, share of black and of white.",
        "A network near these figures has shown nothing.",
        "",
        "| features | AUC | 95 % interval | images | fractured | groups |",
        "|---|---|---|---|---|---|",
    ]
    for b in baselines:
        value = "undefined: too few groups of a class" if b.auc is None else f"{b.auc:.3f}"
        interval = "-" if b.low is None or b.high is None else f"{b.low:.3f} to {b.high:.3f}"
        cells = (b.features, value, interval, str(b.n), str(b.fractured), str(b.groups))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
