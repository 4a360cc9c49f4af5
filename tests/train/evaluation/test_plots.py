import cv2
import numpy as np
import pytest
from bonefx_edge.inference.decision import OperatingPoint, Proportion

pytestmark = pytest.mark.host
pytest.importorskip("matplotlib")

from bonefx_train.evaluation import plots  # noqa: E402 (may be absent)
from bonefx_train.evaluation.report import Figure, Row  # noqa: E402

MEASURED = Proportion(value=0.9, low=0.8, high=1.0, n=10)
POINT = OperatingPoint("balanced", 0.2, 0.5, "x", "x", MEASURED, MEASURED)
NAMES = ("roc", "precision-recall", "reliability", "forest")
AUCS = ((0.9, 0.8, 1.0), (0.7, None, None), (None, None, None))
ROWS = [
    Row(part, n, n // 5, n, (Figure("auc", "x", *values, n),))
    for part, n, values in zip(("all", "hand", "hip"), (300, 80, 6), AUCS, strict=True)
]


def write_all(folder):
    rng = np.random.default_rng(1)
    fractured = rng.random(300) < 0.2
    p = np.clip(rng.normal(0.2 + 0.2 * fractured, 0.15), 0, 1)
    plots.write_roc(folder / "roc.png", p, fractured, point=POINT, title="toy")
    plots.write_precision_recall(folder / "precision-recall.png", p, fractured, title="toy")
    plots.write_reliability(folder / "reliability.png", p, fractured, title="toy")
    plots.write_forest(folder / "forest.png", ROWS, title="toy")
    return folder


@pytest.fixture(name="figures", scope="module")
def _figures(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("figures") / "new")


def test_the_figures_are_pngs_of_a_readable_size_with_something_on_them(figures):
    for name in NAMES:
        picture = cv2.imread(str(figures / f"{name}.png"))
        assert picture.shape[0] > 500
        assert picture.shape[1] > 500
        assert picture.std() > 10


def test_the_figures_come_for_print_too_with_text_as_text(figures):
    for name in NAMES:
        assert ">toy</text>" in (figures / f"{name}.svg").read_text()
        assert (figures / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
    assert "undefined: one class only" in (figures / "forest.svg").read_text()


def test_the_same_figures_are_the_same_bytes(figures, tmp_path):
    again = write_all(tmp_path)
    for path in sorted(figures.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name
