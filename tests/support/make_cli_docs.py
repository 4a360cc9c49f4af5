"""Write docs/cli.md from the commands' own help.

    python tests/support/make_cli_docs.py

A test fails when the page is stale.
"""

import importlib
from pathlib import Path

from typer.testing import CliRunner

PATH = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = {
    "edge-classify": ("bonefx_edge.cli.classify", [[]]),
    "edge-admin": (
        "bonefx_edge.cli.admin",
        [
            *([], ["doctor"], ["verify"], ["status"], ["list"], ["show"], ["requeue"], ["export"]),
            *(["rebuild"], ["reset-canary"], ["install-service"]),
        ],
    ),
    "edge-dicom": ("bonefx_dicom.cli", [[], ["listen"], ["send"], ["install-service"]]),
    "edge-page": (
        "bonefx_page.cli",
        [[], ["serve"], ["add-user"], ["password"], ["remove-user"], ["users"], ["rebuild"]],
    ),
    "bonefx-train": (
        "bonefx_train.cli",
        [[], ["import"], ["audit"], ["split"], ["fit"], ["evaluate"], ["compare"]],
    ),
    "bonefx-convert": ("bonefx_convert.cli", [[], ["keras"], ["run"], ["compare"], ["parity"]]),
}
"""Command -> module, and the words after which --help is asked for."""
HEAD = """# Commands

Written by `python tests/support/make_cli_docs.py` from the commands' own help.
Exit codes: [errors.md](errors.md).
"""


def cli_docs() -> str:
    """Return the page."""
    parts = [HEAD]
    for name, (module, pages) in COMMANDS.items():
        app = importlib.import_module(module).app
        for words in pages:
            title = " ".join([name, *words])
            result = CliRunner(env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"}).invoke(
                app, [*words, "--help"], prog_name=name
            )
            text = "\n".join(line.rstrip() for line in result.stdout.strip().splitlines())
            parts.append(f"\n## {title}\n\n```text\n{text}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(cli_docs())
