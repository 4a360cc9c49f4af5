"""An audit as Markdown for a person and as JSON for a program."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bonefx_train.audit.audit import Audit
from bonefx_train.audit.duplicates import Cluster, Copy
from bonefx_train.data.sample import SPLITS
from bonefx_train.markdown import open_templates

MAX_LISTED: Final = 20
"""Entries of one kind in the Markdown; the JSON has all."""
MAX_IMAGES: Final = 6
"""Images named of one set in the Markdown."""

Describe = Callable[[str], str]
"""Key -> the key with label and split."""


def to_json(audit: Audit) -> str:
    """Return the audit as JSON text; keys are paths below the data folder, none is absolute."""
    record = {
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
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def to_markdown(audit: Audit, *, sheets: Sequence[str] = ()) -> str:
    """Return the audit as Markdown, errors first; `sheets` are names of pictures."""
    samples = {sample.key: sample for sample in audit.samples}

    def describe(key: str) -> str:
        sample = samples[key]
        return f"`{key}` ({', '.join(filter(None, (sample.label.value, sample.split)))})"

    entries = {
        "contradictions": [_cluster(cluster, describe) for cluster in audit.contradictions],
        "leaks": [f"{leak.because}: {_images(leak.keys, describe)}" for leak in audit.leaks],
        "copies": [_cluster(cluster, describe) for cluster in audit.clusters],
        "families": [_images(family, describe) for family in audit.families],
        "refused": [f"`{refusal.key}`: {refusal.reason}" for refusal in audit.refused],
        "junk": [f"`{name}`" for name in audit.junk],
        "unused": [f"`{name}`" for name in audit.unused],
        "sheets": list(sheets),
    }
    template = open_templates(Path(__file__).parent).get_template("audit.md.j2")
    counts = Counter((sample.split, sample.label.value) for sample in audit.samples)
    return template.render(
        audit=audit, counts=counts, splits=(*SPLITS, ""), max_listed=MAX_LISTED, **entries
    )


def _images(keys: Sequence[str], describe: Describe) -> str:
    more = f", … {len(keys)} images" if len(keys) > MAX_IMAGES else ""
    return ", ".join(describe(key) for key in keys[:MAX_IMAGES]) + more


def _cluster(cluster: Cluster, describe: Describe) -> str:
    how = Counter(describe_copy(copy) for copy in cluster.copies)
    found = "; ".join(f"{n} x {what}" if n > 1 else what for what, n in how.most_common(MAX_IMAGES))
    return f"{_images(cluster.keys, describe)}: {found}"


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
