"""Words that the product and its documentation do not use: each has a plain or standard term."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
PLACES: Final = (
    *("edge", "train", "convert", "benchmarks", "demo", "docs", "arm64", ".ci", ".github"),
    *("Makefile", "pyproject.toml", "README.md", "CONTRIBUTING.md", "SECURITY.md"),
)
NOT_READ: Final = ("docs/decisions/", "benchmarks/reference/")
"""Old records keep their words; measured data keep theirs, and pages are made from them."""
TEXTS: Final = frozenset({".py", ".md", ".j2", ".toml", ".sh", ".yml", ".service", ""})
BANNED: Final = re.compile(
    r"\b(told|untold|closer|crew|courier|desk|errands?|elsewhere|looks|is it well)\b", re.IGNORECASE
)
ALLOWED: Final = {
    "elsewhere": (
        "train/bonefx_train/studies/external.py",  # the name of a data folder
        "train/bonefx_train/studies/external_sets.py",
        "train/bonefx_train/studies/out_of_scope.py",
    ),
    "closer": (
        "edge/bonefx_edge/cli/classify.py",  # what --views took until version 0.4
        "edge/bonefx_edge/model/older_formats.py",  # the name of the mode in files of version 0.4
        "edge/bonefx_edge/watch/result_upgrade.py",
        "docs/finding.md",
    ),
}
"""Word -> files that read or explain names of older files and of data."""
MAX_LINE: Final = 100


def texts() -> list[str]:
    """Return the texts of the product and its documentation, below the root."""
    found = []
    for place in map(ROOT.joinpath, PLACES):
        found += [place] if place.is_file() else sorted(place.rglob("*"))
    names = [str(path.relative_to(ROOT)) for path in found if path.suffix in TEXTS]
    return [name for name in names if not name.startswith(NOT_READ) and (ROOT / name).is_file()]


def test_no_text_uses_a_banned_word() -> None:
    found = [
        f"{name}:{number}: {match[0]}: {line.strip()[:80]}"
        for name in texts()
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1)
        for match in BANNED.finditer(line.replace("_", " "))
        if name not in ALLOWED.get(match[0].lower(), ())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line", ["a crew of processes", "It looks here.", "oldest_untold_s = 0", "Is it well"]
)
def test_the_pattern_finds_a_banned_word_in_prose_and_in_names(line: str) -> None:
    assert BANNED.search(line.replace("_", " "))


def test_no_line_of_prose_is_longer_than_100_characters() -> None:
    """Tables and code apart. The linter passes a line whose last word alone crosses the limit."""
    pages = [name for name in texts() if name.endswith(".md") and name != "docs/model-card.md"]
    found = [
        f"{name}:{number}: {len(line)} characters"
        for name in [*pages, "CHANGELOG.md"]
        for number, line in enumerate(without_code(ROOT / name), 1)
        if len(line) > MAX_LINE and not line.lstrip().startswith("|") and "](http" not in line
    ]
    assert not found, "\n".join(found)


def without_code(page: Path) -> list[str]:
    """Return the lines of a page; those of code blocks are empty."""
    text = re.sub(
        r"^ *```.*?^ *```$",
        lambda block: "\n" * block[0].count("\n"),
        page.read_text(),
        flags=re.DOTALL | re.MULTILINE,
    )
    return ["" if line.startswith("    ") else line for line in text.splitlines()]
