"""How large is what a peer needs? Run by its Python: names of distributions in, JSON out.

Counts the files of these distributions and of all that they require, each once. Not the folder of
the environment: TensorFlow's here holds the linters, too.
"""

import importlib.metadata
import json
import re
import sys

NAME = re.compile(r"[A-Za-z0-9._-]+")


def needed(names: list[str]) -> dict[str, importlib.metadata.Distribution]:
    """Return the installed ones of these distributions and of what they require, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    left = list(names)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        # A requirement of an extra is none of the peer's.
        required = [text for text in found[name].requires or [] if "extra ==" not in text]
        left += [match.group() for text in required if (match := NAME.match(text))]
    return found


def size_mib(distribution: importlib.metadata.Distribution) -> float:
    """Return the size of its files on disk, compiled ones included, MiB."""
    files = [distribution.locate_file(file) for file in distribution.files or []]
    return sum(file.stat().st_size for file in files if file.is_file()) / 2**20


if __name__ == "__main__":
    distributions = needed(sys.argv[1:])
    sizes = {
        f"{name} {each.version}": round(size_mib(each), 2)
        for name, each in sorted(distributions.items())
    }
    print(json.dumps({"mib": round(sum(sizes.values()), 1), "distributions": sizes}))
