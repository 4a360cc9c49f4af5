"""Folders with a marker, as a service has made them."""

from pathlib import Path

from bonefx_edge.watch.marked_folder import MarkedFolder, Marker, open_folder, write_marker
from bonefx_edge.watch.results import ResultFolder, make_result_folder


def marked(folder: Path, name: str = "results", *, journal: str = "j") -> MarkedFolder:
    """Return a folder after it was marked."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_folder(folder, name) as descriptor:
        write_marker(descriptor, Marker(f"id of {folder}", journal, "/var/lib/bonefx/journal"))
    return MarkedFolder(folder, name, f"id of {folder}")


def result_folder(folder: Path) -> ResultFolder:
    """Return the folder of the results, made and marked."""
    make_result_folder(folder)
    return ResultFolder(marked(folder))
