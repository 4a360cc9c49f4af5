"""What a command loads before it answers."""

import subprocess
import sys

import cv2
from toy import film, toy_path


def imported_by(*args: object) -> set[str]:
    """Return the names of all modules that the command loads."""
    code = (
        "import sys\n"
        "import bonefx_edge.cli.classify as cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.splitlines()[-1].split())


def test_help_and_version_do_not_wait_for_heavy_imports() -> None:
    heavy = {"numpy", "cv2", "pydicom", "ai_edge_litert", "tflite_runtime"}
    for option in ("--help", "--version"):
        assert not heavy & imported_by(option)


def test_one_jpeg_does_not_wait_for_what_only_other_commands_and_kinds_need(tmp_path) -> None:
    """Decision 0021 says what starting costs."""
    path = tmp_path / "film.jpg"
    cv2.imwrite(str(path), film(200))
    loaded = imported_by(path, "--model", toy_path("int8"))
    assert {"numpy", "simplejpeg", "bonefx_edge.classifier"} <= loaded  # it did classify
    others = {"pydicom", "pydantic", "rich", "multiprocessing", "sqlite3", "statistics"}
    others |= {"prometheus_client", "openjpeg", "jpeg_ls"}
    others |= {"bonefx_edge.watch", "bonefx_edge.inference.heatmap"}
    others |= {"bonefx_edge.model.site_profile", "bonefx_edge.diagnostics"}
    assert not others & loaded
