"""Compare the findings of two versions of bonefx for the same images, line by line.

    python tests/support/compare_findings.py BEFORE.jsonl AFTER.jsonl

Both files are what `edge-classify --format json` writes. Keys of `bonefx.finding/1` are read under
their new names. Path, sha256, state, reason, p_fracture, mode, regions and operating point must be
equal, numbers to the last bit. Ends with 1 where a line differs.
"""

import json
import sys
from pathlib import Path
from typing import Any

EQUAL = (
    *("path", "sha256", "state", "reason", "p_fracture", "mode", "regions"),
    *("operating_point", "gray_mapping"),
)


def read(line: str) -> dict[str, Any]:
    """Return what is compared of one finding, under the names of `bonefx.finding/2`."""
    record = json.loads(line)
    if record["schema"] == "bonefx.finding/1":
        record["mode"] = {"closer": "tiled"}.get(record["reading"], record["reading"])
        record["regions"] = record["places"]
    return {key: record[key] for key in EQUAL}


def main(before: str, after: str) -> int:
    """Print how many findings differ, and the first ones."""
    pairs = zip(*(Path(p).read_text().splitlines() for p in (before, after)), strict=True)
    read_pairs = [(read(old), read(new)) for old, new in pairs]
    different = [(old, new) for old, new in read_pairs if old != new]
    for old, new in different[:10]:
        for key in EQUAL:
            if old[key] != new[key]:
                sys.stdout.write(f"{old['path']}: {key} {old[key]} -> {new[key]}\n")
    sys.stdout.write(f"{len(different)} of {len(read_pairs)} findings differ\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
