import cv2
import numpy as np
import pytest
from bonefx_edge.inference.decision import OperatingPoint, Proportion

pytestmark = pytest.mark.host
pytest.importorskip("matplotlib")

from bonefx_train.evaluation.plots import write_reliability, write_roc  # noqa: E402 (may be absent)

MEASURED = Proportion(value=0.9, low=0.8, high=1.0, n=10)


def test_the_figures_are_pngs_of_a_readable_size_with_something_on_them(tmp_path):
    rng = np.random.default_rng(1)
    fractured = rng.random(300) < 0.2
    p = np.clip(rng.normal(0.2 + 0.2 * fractured, 0.15), 0, 1)
    point = OperatingPoint("balanced", 0.2, 0.5, "x", "x", MEASURED, MEASURED)
    write_roc(tmp_path / "new/roc.png", p, fractured, point=point, title="toy")
    write_reliability(tmp_path / "new/reliability.png", p, fractured, title="toy")
    for name in ("roc", "reliability"):
        picture = cv2.imread(str(tmp_path / f"new/{name}.png"))
        assert picture.shape[0] > 500
        assert picture.shape[1] > 500
        assert picture.std() > 10
