"""Builders of labelled images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_train.data.sample import Label, Sample

WriteFilm = Callable[..., Path]


@pytest.fixture(name="write_image", scope="session")
def _write_image() -> WriteFilm:
    """Return a function that writes one image: noise of mean `gray`, distinct for each `seed`."""

    def write(path: Path, *, seed: int = 0, gray: int = 100) -> Path:
        rng = np.random.default_rng([seed, gray])
        pixels = np.clip(rng.normal(gray, 20, (80, 70)), 0, 255).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        return path

    return write


@pytest.fixture(name="write_folders", scope="session")
def _write_folders(write_image: WriteFilm) -> Callable[..., Path]:
    """Return a function that fills class folders; broken images are brighter."""

    def write(
        root: Path,
        folders: Sequence[str],
        *,
        images: int,
        broken: Sequence[str] = ("broken", "fractured"),
    ) -> Path:
        for number, folder in enumerate(folders):
            gray = 170 if Path(folder).name.lower() in broken else 70
            for i in range(images):
                write_image(
                    root / folder / f"{folder[:2]}{i}.png", seed=1000 * number + i, gray=gray
                )
        return root

    return write


@pytest.fixture(name="samples")
def _samples() -> Callable[..., list[Sample]]:
    """Return a function that makes samples without files."""

    def make(
        fractured: Sequence[bool],
        *,
        groups: Sequence[str] | None = None,
        body_parts: Sequence[str] | None = None,
        hardware: Sequence[bool] | None = None,
    ) -> list[Sample]:
        return [
            Sample(
                path=Path(f"/nowhere/{i}.png"),
                key=f"{i}.png",
                label=Label.FRACTURED if broken else Label.NOT_FRACTURED,
                group=groups[i] if groups else str(i),
                split="",
                body_part=body_parts[i] if body_parts else "",
                hardware=hardware[i] if hardware else False,
            )
            for i, broken in enumerate(fractured)
        ]

    return make
