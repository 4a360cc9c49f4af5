"""Figures of the DICOM node, printed, for `make chaos-dicom` (BONEFX_CHAOS=long)."""

import os
import re
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dicom_node import PROGRAM, Listener, data_set_of, film_uid, write_films
from orthanc import Orthanc
from study_films import demo_pixels, film_file
from watch_service import Watcher, current, undelivered, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.any_runtime,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.environ.get("BONEFX_CHAOS") != "long", reason="make chaos-dicom"),
]
SETTLE_S = 0.3
"""Of `Watcher`."""
IDLE_S = 60.0
FILMS = 20


@pytest.fixture(name="figure")
def _figure(capsys):
    """Return what prints a figure although pytest collects the output."""

    def show(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {text}\n")

    return show


def processor_s(pid: int) -> float:
    """Return the processor time so far of a process, and of all that it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return own + sum(processor_s(int(child)) for each in children for child in each)


def resident_mib(listener) -> float:
    status = Path(f"/proc/{listener.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def test_twenty_films_of_50_mb_at_once_stay_on_disk(folder, tmp_path, figure):
    (path,) = write_films(tmp_path / "films", [1], side=7100)
    assert path.stat().st_size > 50e6
    with Listener(folder) as listener:
        begin = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            found = list(pool.map(listener.send, [path] * 20))
        took = time.monotonic() - begin
        assert [each.returncode for each in found] == [0] * 20
        figure(f"20 associations of 50 MB: peak {listener.peak_mib():.0f} MiB, {took:.0f} s")
        assert listener.peak_mib() < 100
    data = (folder / f"{film_uid(1)}.dcm").read_bytes()
    assert data_set_of(data) == data_set_of(path.read_bytes())


def test_a_listener_without_work_takes_little(folder, figure):
    with Listener(folder, "--health-port", "0") as listener:
        assert listener.echo().returncode == 0
        before, begin = processor_s(listener.process.pid), time.monotonic()
        time.sleep(IDLE_S)
        share = (processor_s(listener.process.pid) - before) / (time.monotonic() - begin)
        memory = resident_mib(listener)
    figure(f"listener without work: {100 * share:.2f} % of a core, {memory:.0f} MiB")
    assert share < 0.005
    assert memory < 60


def test_films_are_durable_at_a_rate(folder, tmp_path, figure):
    paths = write_films(tmp_path / "films", range(300), side=650)
    with Listener(folder) as listener:
        begin = time.monotonic()
        assert listener.send(*paths).returncode == 0
        rate = len(paths) / (time.monotonic() - begin)
    figure(f"one association, 0.42 MB each, fsync: {rate:.0f} films/s")
    assert rate >= 20


def test_from_the_modality_to_the_archive_within_a_second_after_settling(
    folder, out, tmp_path, figure
):
    """Report and picture; the shipped model; one film after the other."""
    took = []
    with Orthanc(tmp_path / "archive") as archive:
        words = [*PROGRAM, "send", str(out), "--films", str(folder), "--to", archive.name]
        options = ("--on-result", shlex.join(words), "--model", "lite0-int8")
        with Watcher(folder, out, *options) as watcher, Listener(folder) as listener:
            wait_until(lambda: "worker ready" in watcher.said(), what="the model is loaded")
            ours = [each.process.pid for each in (watcher, listener)]
            before = sum(map(processor_s, ours))
            for number in range(FILMS):
                path = tmp_path / f"{number}.dcm"
                path.write_bytes(film_file(demo_pixels(), SOPInstanceUID=f"1.2.826.0.{number}"))
                begin = time.monotonic()
                assert listener.send(path).returncode == 0
                wait_until(lambda n=number: archive.count() == 2 * n + 2, what="both are there")
                took.append(time.monotonic() - begin)
                wait_until(lambda: not undelivered(out), what="the command has ended")
            processor = (sum(map(processor_s, ours)) - before) / FILMS
        assert len(current(out)) == FILMS
    took = sorted(took)
    p50, p95 = took[FILMS // 2], took[int(0.95 * FILMS)]
    figure(
        f"modality to archive: p50 {p50:.2f} s, p95 {p95:.2f} s, of it settling {SETTLE_S} s; "
        f"processor time of listener, service and sender {processor:.2f} s a film"
    )
    assert p95 <= SETTLE_S + 1.0
