"""An archive whose rule sends everything to bonefx, results of bonefx too: there is no loop."""

import shlex

import pytest
from dicom_node import HOST, PROGRAM, Listener, free_port, run
from orthanc import Orthanc
from study_films import film_file
from toy import film
from watch_service import Watcher, current, messages, undelivered, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

KINDS = ("--dicom-object", "sr", "--dicom-object", "sc", "--dicom-object", "gsps")
OBJECTS = 4
"""Of a study: the film and its three results."""


def test_results_that_an_archive_sends_back_are_no_films(folder, out, tmp_path):
    port = free_port()
    options = ("--secondary-capture", "--health-port", "0")
    with (
        Orthanc(tmp_path / "archive", routes_to=port) as archive,
        Listener(folder, *options, allow=f"PACS@{HOST}", port=port) as listener,
    ):
        words = [*PROGRAM, "send", str(out), "--films", str(folder), "--to", archive.name, *KINDS]
        service = ["--on-result", shlex.join(words)]

        def store(number: int) -> None:
            path = tmp_path / f"{number}.dcm"
            path.write_bytes(film_file(film(80 + number), SOPInstanceUID=f"1.2.826.0.{number}"))
            sent = run("storescu", archive.port, path, calling="DX1", called="PACS")
            assert sent.returncode == 0, sent.stderr

        def counted(name: str) -> int:
            """Return a count of the listener."""
            lines = listener.page("/metrics")[1].splitlines()
            return int(dict(line.rsplit(" ", 1) for line in lines)[f"bonefx_dicom_{name}_total"])

        with Watcher(folder, out, *service):
            store(1)
            wait_until(lambda: archive.count() == OBJECTS, what="film and its results")
            store(2)
            # The archive sends one after the other: before the second film, all of the first study.
            # Report and presentation state find no presentation context.
            wait_until(lambda: counted("stored") == 2, what="the second film comes")
            assert counted("own_results") == 1, "the picture came, and was passed over"
            wait_until(lambda: archive.count() == 2 * OBJECTS, what="its results")
            store(3)
            wait_until(lambda: archive.count() == 3 * OBJECTS, what="three studies")
            wait_until(lambda: not undelivered(out), what="no message is left")
        # A service that looks at everything once more has nothing to do.
        with Watcher(folder, out, *service, "--once") as last:
            assert last.process.wait(timeout=60) == 0
        assert counted("stored") == 3
        assert len(list(folder.glob("*"))) == 3 + len([".dicom"])
        assert len(current(out)) == messages(out) == 3
        assert archive.count() == 3 * OBJECTS
