"""Draw watch/workers/canary.jpg, and write what the bundled models give for it beside it.

    python tests/support/make_canary.py         # the answers; after a model was replaced
    python tests/support/make_canary.py --draw  # the film too: every device begins anew with it

A drawing, not a radiograph: what a network says of it means nothing, only that it stays the same.
"""

import json
import sys

import cv2
import numpy as np
import simplejpeg
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.bundled import bundled_models
from bonefx_edge.watch.workers.canary import CANARY_PATH, EXPECTED_PATH

HEIGHT, WIDTH = 540, 360


def draw() -> bytes:
    """Return a JPEG of two bones, one of them displaced, in soft tissue with grain."""
    film = np.full((HEIGHT, WIDTH), 12, np.uint8)
    cv2.ellipse(film, (WIDTH // 2, HEIGHT // 2), (102, 312), 0, 0, 360, 70, -1)
    for center, shift in ((138, 0), (216, 12)):
        for top, bottom, moved in ((18, HEIGHT // 2 - shift // 3, 0), (HEIGHT // 2, 522, shift)):
            left = center + moved
            cv2.rectangle(film, (left - 23, top), (left + 23, bottom), 190, -1)
            cv2.rectangle(film, (left - 8, top), (left + 8, bottom), 140, -1)
    grain = np.random.default_rng(1).normal(0, 3, film.shape)
    drawn = np.clip(cv2.GaussianBlur(film, (0, 0), 3.6) + grain, 0, 255).astype(np.uint8)
    return bytes(simplejpeg.encode_jpeg(drawn[..., np.newaxis], 85, colorspace="GRAY"))


def main() -> None:
    """Write the files."""
    if "--draw" in sys.argv[1:]:
        CANARY_PATH.write_bytes(draw())
    answers = {}
    for path in bundled_models().values():
        for mode in Classifier.load(path).manifest.modes:
            finding = Classifier.load(path, mode=mode.name).classify(CANARY_PATH)
            sys.stdout.write(f"{path.stem} {finding.mode} {finding.p_fracture}\n")
            answers[f"{finding.model.sha256} {finding.mode}"] = finding.p_fracture
    EXPECTED_PATH.write_text(json.dumps(answers, indent=1) + "\n", "ascii")


if __name__ == "__main__":
    main()
