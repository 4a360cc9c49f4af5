"""Why Keras cannot open a file, in one sentence with what to do."""

import re
from pathlib import Path
from typing import Final

_EXPORT: Final = (
    'in the program that made it, write model.export("folder") (Keras 2: '
    'tf.saved_model.save(model, "folder")) and convert that folder, which needs no code'
)
_CLASS: Final = re.compile(
    r"(?:Unknown layer|Unknown class name|Could not locate (?:class|function)|Unknown object)"
    r"\W+(\w+)"
)
"""How Keras names a class whose code it does not have."""


def explain(path: Path, error: Exception, *, saved_by: str, installed: str) -> str:
    """Return why Keras could not open the file at `path`, and what to do.

    Parameters
    ----------
    saved_by, installed
        Versions of Keras: of the file, "" where it does not say, and of this environment.
    """
    text = " ".join(str(error).split())
    if saved_by and _numbers(saved_by) > _numbers(installed):
        return (
            f"{path}: saved by Keras {saved_by}, this is Keras {installed}, which cannot read it; "
            "run pip install --upgrade keras, and convert again"
        )
    if "Lambda" in text and ("unsafe" in text or "safe_mode" in text):
        return f"{path}: has a Lambda layer, which is code and is not run from a file; " + _EXPORT
    found = _CLASS.search(text)
    if found:
        return f"{path}: has the layer {found[1]}, whose code is not in the file; " + _EXPORT
    return f"{path}: Keras {installed} cannot read it ({text[:200]}); " + _EXPORT


def _numbers(version: str) -> tuple[int, ...]:
    """Return major and minor of a version such as 3.15.1."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
