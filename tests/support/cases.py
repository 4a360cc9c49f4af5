"""Where files of known answer lie: `BONEFX_CASES`, else ../shared/cases beside the repository."""

import os
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
CASES = Path(os.environ.get("BONEFX_CASES") or _REPOSITORY.parent / "shared" / "cases")
