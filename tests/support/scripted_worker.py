"""A worker whose fate stands in the names of its films: a real process, and no model.

    python scripted_worker.py LOADING HEARD OPTIONS-AS-JSON

Each line it is told goes to the file HEARD before it does what the name of the film says.
"""

import json
import os
import signal
import sys
from pathlib import Path

MODEL = "scripted 1 0000 as-is default"
WORDS = "expected a model, got a script; this is a test"


def program(heard: Path, loading: str = "ready") -> list[str]:
    """Return the program that `process.WorkerProcess` is to start.

    Parameters
    ----------
    loading
        `ready`; `broken`; or how it ends instead: `exit` (code 1), the name of a signal. After
        `deaf-` it says that it is ready, listens no more, and ends so.
    heard
        Where it writes the jobs that it was told, a line each.
    """
    return [sys.executable, "-I", "-S", __file__, loading, str(heard)]


def jobs_in(heard: Path) -> list[tuple[str, str | None]]:
    """Return path and `refuse` of each job that workers were told, in order."""
    if not heard.exists():
        return []
    jobs = [json.loads(line) for line in heard.read_text().splitlines()]
    return [(job["path"], job["refuse"]) for job in jobs]


def main() -> None:
    loading, heard = sys.argv[1:3]
    load(loading)
    with Path(heard).open("a") as log:
        for line in sys.stdin:
            log.write(line)
            log.flush()
            work(json.loads(line))


def load(loading: str) -> None:
    if loading == "broken":
        say({"status": "fatal", "message": WORDS})
        sys.exit()
    if loading.startswith("deaf-"):
        os.close(0)
    if loading == "ready" or loading.startswith("deaf-"):
        say({"ready": MODEL, "environment": "none 0"})
    if loading != "ready":
        end(loading.removeprefix("deaf-"))


def work(job: dict) -> None:
    """Do what the word before the first `-` of the name says."""
    word = job["path"].partition("-")[0]
    if job["path"].endswith("/canary.jpg"):
        say(canary(job))
    elif job["refuse"]:
        say(finding(job, job["refuse"]))
    elif word == "half":  # the rest comes with the next job
        text = json.dumps(finding(job, None)) + "\n"
        write(text[:20])
        work(json.loads(sys.stdin.readline()) | {"before": text[20:]})
    elif word == "rest":
        write(job["before"] + json.dumps(finding(job, None)) + "\n")
    elif word.startswith("drawn"):
        draw(word, job)
    elif word == "hang":
        signal.pause()
    elif word == "exit" or word.startswith("SIG"):
        end(word)
    else:
        say(answer(word, job))


def draw(word: str, job: dict) -> None:
    """Answer a film, then draw it or end."""
    say(finding(job, None) | {"draws": True})
    if word == "drawncrash":
        sys.stdin.readline()  # the next job is there before the end
        end("SIGSEGV")
    say({"status": "drawn", "pictures": {"thumb": "anBlZw=="}, "code": ""})


def canary(job: dict) -> dict:
    """Answer the canary film as the file `canary` beside HEARD says, rightly if there is none."""
    says = Path(sys.argv[2]).with_name("canary")
    word = says.read_text() if says.exists() else "0.5"
    if word in ("exit", "SIGSEGV", "SIGKILL"):
        end(word)
    if word == "EIO":
        return {"status": "transient", "code": "EIO"}
    record = {"state": "fracture", "reason": None, "p_fracture": float(word)}
    record |= {"model": {"sha256": "0000"}, "mode": "as-is"}
    return {"status": "ok", "finding": record}


def answer(word: str, job: dict) -> dict:
    answers = {
        "film": finding(job, None),
        "changed": {"status": "changed"},
        "broken": {"status": "fatal", "message": WORDS},
        "EIO": {"status": "transient", "code": word},
    }
    return answers.get(word) or finding(job, word)


def finding(job: dict, reason: str | None) -> dict:
    record = {"path": job["path"], "sha256": job["sha256"], "reason": reason}
    record["state"] = "refused" if reason else "fracture"
    return {"status": "ok", "finding": record}


def say(message: dict) -> None:
    write(json.dumps(message) + "\n")


def write(text: str) -> None:
    os.write(1, text.encode("ascii"))


def end(word: str) -> None:
    if word == "exit":
        os._exit(1)
    os.kill(os.getpid(), signal.Signals[word])


if __name__ == "__main__":
    main()
