"""What commands share: help with sections, standard usage lines, the files of TLS."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup

from bonefx_edge import NOTICE
from bonefx_edge.cli.exit_codes import ExitCode, fail

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Context settings of every command."""
TlsCaOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CA of the archives, PEM: use TLS.")
]
TlsCertOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate of this node, PEM.")
]
TlsKeyOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key, PEM.")]


def make_app(description: str, *, group: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return an application without commands; `description` is its help text."""
    return typer.Typer(
        cls=group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings=HELP_OPTIONS,
        help=f"{description} {NOTICE}",
    )


def was_given(context: typer.Context, name: str) -> bool:
    """Return whether the command line names this parameter, with its default value or another."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


class Command(TyperCommand):
    """No empty arguments; help in sections, an argument without braces in the usage line."""

    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Title -> names of the options in a section of their own, at the end."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave if an argument is empty: as a folder it would mean the current one."""
        if any(re.fullmatch("(--[a-z0-9-]+=)?", each) for each in args):
            fail("One of the arguments is empty (an unset variable?).", code=ExitCode.USAGE)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, options and then the sections."""
        titles = {name: title for title, names in self.sections.items() for name in names}
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(titles.get(str(parameter.name), kind), []).append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def all_or_none(*files: Path | None, names: str) -> list[Path]:
    """Return the files of TLS; leave if some are given and some are not."""
    given = [each for each in files if each is not None]
    if len(given) not in (0, len(files)):
        fail(f"{names}: give all three, or none", code=ExitCode.USAGE)
    return given
