"""Health checks and metrics of the listener."""

import os
import shutil
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bonefx_edge import __version__
from bonefx_edge.check import Check, CheckStatus
from bonefx_edge.watch.monitoring.page_server import PROMETHEUS, Response, checks_response

from bonefx_dicom.listener.counts import Counts
from bonefx_dicom.listener.incoming import PARTIAL_FOLDER
from bonefx_dicom.listener.node import Node

LOOP_LIMIT_S: Final = 60.0
"""Without a step of the main loop, which takes a second: the loop hangs. As WatchdogSec."""
_MIB: Final = 1024 * 1024


class Health:
    """What /livez, /readyz and /metrics show; asked from another thread."""

    def __init__(self, node: Node, folder: Path, *, min_free_mib: int, counts: Counts) -> None:
        self._node, self._folder, self._counts = node, folder, counts
        self._min_free_bytes = min_free_mib * _MIB
        self._last_step = time.monotonic()

    def note_step(self) -> None:
        """Note that the main loop runs."""
        self._last_step = time.monotonic()

    def livez(self) -> Response:
        """Return whether the main loop runs."""
        return checks_response([self._loop()])

    def readyz(self) -> Response:
        """Return whether a film would be stored."""
        return checks_response(self._checks())

    def metrics(self) -> Response:
        """Return the exposition format 0.0.4: by hand, as prometheus_client takes 14 MiB."""
        text = "".join(f"{line}\n" for line in self._metrics())
        return HTTPStatus.OK, PROMETHEUS, text.encode("ascii")

    def _checks(self) -> list[Check]:
        return [self._loop(), self._port(), *self._disk()]

    def _loop(self) -> Check:
        age = time.monotonic() - self._last_step
        if age > LOOP_LIMIT_S:
            found = f"last step {age:.0f} s ago"
            return Check("loop", CheckStatus.FAIL, found, "restart the service")
        return Check("loop", CheckStatus.OK, "running")

    def _port(self) -> Check:
        if self._node.is_listening:
            return Check("port", CheckStatus.OK, f"listening on {self._node.port}")
        return Check("port", CheckStatus.FAIL, "not listening", "restart the service")

    def _disk(self) -> Iterator[Check]:
        if not os.access(self._folder / PARTIAL_FOLDER, os.W_OK | os.X_OK):
            remedy = "mount or create the folder, correct its permissions, restart the service"
            yield Check("folder", CheckStatus.FAIL, "cannot be written", remedy)
            return
        yield Check("folder", CheckStatus.OK, "can be written")
        free = shutil.disk_usage(self._folder).free
        found = f"{free // _MIB} MiB free"
        if free < self._min_free_bytes:
            remedy = f"free space: below {self._min_free_bytes // _MIB} MiB every film is refused"
            yield Check("disk", CheckStatus.FAIL, found, remedy)
            return
        yield Check("disk", CheckStatus.OK, found)

    def _metrics(self) -> Iterator[str]:
        yield from _header("info", "gauge", "Version of bonefx")
        yield f'bonefx_dicom_info{{version="{__version__}"}} 1'
        yield from _header("check_passed", "gauge", "Whether a check of /readyz passes")
        for check in self._checks():
            passed = int(check.status is not CheckStatus.FAIL)
            yield f'bonefx_dicom_check_passed{{check="{check.name}"}} {passed}'
        yield from _header("associations", "gauge", "Established associations")
        yield f"bonefx_dicom_associations {self._node.associations}"
        for name, label, about in (
            ("stored", "", "Films stored since the start"),
            ("not_stored", "status", "Films not stored, by the status that their sender got"),
            ("own_results", "", "Results of bonefx that were sent back, and passed over"),
            ("associations_accepted", "", "Associations accepted since the start"),
            ("rejected", "reason", "Associations rejected since the start"),
            ("incomplete", "", "Films whose association ended before their last byte"),
        ):
            yield from _header(f"{name}_total", "counter", about)
            if not label:
                yield f"bonefx_dicom_{name}_total {self._counts.get(name)}"
            for value, n in self._counts.by_label(name).items() if label else ():
                yield f'bonefx_dicom_{name}_total{{{label}="{value}"}} {n}'


def _header(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP bonefx_dicom_{name} {about}", f"# TYPE bonefx_dicom_{name} {kind}"
