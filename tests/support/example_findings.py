"""One finding of each sort, for tests of what is written and documented."""

from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.errors import Reason
from bonefx_edge.finding import Finding, ModelId, Timings
from bonefx_edge.inference.decision import SiteProfileId, State
from bonefx_edge.inference.regions import Region

ANSWERED = Finding(
    path="a/film.png",
    sha256="ab" * 32,
    state=State.FRACTURE,
    reason=None,
    caution=None,
    detail=None,
    p_fracture=0.9,
    original_class=None,
    mode="tiled",
    regions=(Region(left=10, top=20, right=110, bottom=120, score=0.75),),
    operating_point="balanced",
    no_fracture_below=0.25,
    fracture_from=0.75,
    site_profile=SiteProfileId("ef" * 6, "2026-11-29"),
    model=ModelId("toy", "1.0.0", "cd" * 32),
    runtime="ai_edge_litert 2.3.0",
    gray_mapping=GrayMapping.STORED,
    body_part="hand",
    accepted=(),
    timings=Timings(read_ms=1.23456, total_ms=7.0),
)
ODD_PATH = 'line\nbreak,"quoted",\udcff,é,=1+1'
REFUSED = Finding(
    path=ODD_PATH,
    sha256=None,
    state=State.REFUSED,
    reason=Reason.TRUNCATED,
    caution=None,
    detail="expected all, got half",
    p_fracture=None,
    original_class=None,
    mode="tiled",
    regions=(),
    operating_point="balanced",
    no_fracture_below=0.25,
    fracture_from=0.75,
    site_profile=None,
    model=ModelId("toy", "1.0.0", "cd" * 32),
    runtime="ai_edge_litert 2.3.0",
    gray_mapping=None,
    body_part=None,
    accepted=(),
    timings=Timings(),
)
