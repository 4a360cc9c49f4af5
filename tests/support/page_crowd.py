"""Many browsers on one page, as fast as it answers: python page_crowd.py ORIGIN, cookies on stdin.

Each cookie is one client; it asks for list, film, picture and report in turn, until SIGTERM. Then
one line of JSON: how many answers there were of each status; `none` where nobody answered.
"""

import http.client
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter

FILM = re.compile(r'href="(/film/[0-9a-f]{64})')
PAUSE_S = 0.2
"""After no answer: the page is killed and started again."""
LAST = 19
"""The crowd has computers of its own in a clinic: here it must not take the service's time."""


class Crowd:
    """The clients, and what they were answered."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.answers: Counter[str] = Counter()

    def client(self, cookie: str) -> None:
        """Ask, for ever."""
        addresses = ["/?day=all"]
        while True:
            connection = http.client.HTTPConnection(self._address, timeout=30)
            try:
                for address in addresses:
                    connection.request("GET", address, headers={"Cookie": f"bonefx={cookie}"})
                    response = connection.getresponse()
                    body = response.read()
                    self.answers[str(response.status)] += 1
                    if address == "/?day=all":
                        addresses = self.round(body.decode())
            except (OSError, http.client.HTTPException):
                self.answers["none"] += 1
                time.sleep(PAUSE_S)
            finally:
                connection.close()

    @staticmethod
    def round(html: str) -> list[str]:
        """Return what a person asks for after the list."""
        films = FILM.findall(html)[:3]
        pictures = [film.replace("/film/", "/picture/") + "/large" for film in films]
        return ["/?day=all", *films, *pictures, "/report"]


def main() -> None:
    """Run the crowd."""
    os.nice(LAST)
    crowd = Crowd(sys.argv[1].removeprefix("http://"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    for cookie in sys.stdin.read().split():
        threading.Thread(target=crowd.client, args=(cookie,), daemon=True).start()
    try:
        signal.pause()
    finally:
        sys.stdout.write(f"{json.dumps(crowd.answers)}\n")


if __name__ == "__main__":
    main()
