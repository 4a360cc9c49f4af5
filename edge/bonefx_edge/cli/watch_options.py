"""The options of edge-classify --watch: how each is written, checked and explained."""

from pathlib import Path
from typing import Annotated

import typer

from bonefx_edge.cli.option_rules import CHOICES
from bonefx_edge.cli.settings_file import read_settings

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        callback=read_settings,
        is_eager=True,
        help="Settings of --watch (TOML), see edge-admin config. The command line wins.",
    ),
]
Watch = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Classify files that arrive in DIR, until stopped."),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for the results. Default: DIR-results."),
]
Journal = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for the journal. Default: inside --out."),
]
Once = Annotated[bool, typer.Option("--once", help="Process what is in the folder, then exit.")]
Settle = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="How long a file must stay unchanged. Default: 2, on network drives 10.",
    ),
]
Poll = Annotated[
    str,
    typer.Option(
        metavar="|".join(CHOICES["poll"]),
        help="List the folder every second instead of waiting for events; auto: on network "
        "drives only.",
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes that decode and classify.")
]
MinFree = Annotated[
    int,
    typer.Option(min=0, metavar="MIB", help="Pause when less disk space than this is free."),
]
ResultNames = Annotated[
    str,
    typer.Option(
        metavar="|".join(CHOICES["result_names"]),
        help="file: each result also as by-name/NAME.DIGITS.json. File names often name patients.",
    ),
]
ResultsGroup = Annotated[
    str | None,
    typer.Option(metavar="GROUP", help="Group of users that may read results and pictures."),
]
HealthPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        metavar="PORT",
        help="Serve /livez, /readyz and /metrics on 127.0.0.1; 0 takes any free port.",
    ),
]
OnResult = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="Command to run for each result; gets the result as JSON on stdin.",
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address to POST each result to, as JSON."),
]
WebhookTokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="File with the bearer token, or a 'Name: value' header, to send."
    ),
]
WebhookSecretFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with the key to sign messages (HMAC-SHA256)."),
]
WebhookCaFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Certificates (PEM) to trust instead of the system's."),
]
MessageNames = Annotated[
    bool,
    typer.Option("--message-names", help="Add the file name, often a patient's, to messages."),
]
MoveDone = Annotated[Path | None, typer.Option(metavar="DIR", help="Move classified files there.")]
MoveRefused = Annotated[Path | None, typer.Option(metavar="DIR", help="Move refused files there.")]
Duplicates = Annotated[
    str,
    typer.Option(metavar="skip|reclassify", help="What to do when the same content arrives again."),
]
Pictures = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write pictures of each film there, for people, as JPEG."),
]
PicturesDays = Annotated[
    int, typer.Option(min=1, metavar="N", help="Remove pictures that are older.")
]
PicturesMb = Annotated[
    int, typer.Option(min=1, metavar="MB", help="Remove the oldest pictures above this size.")
]
