"""A command whose help has sections and standard usage lines."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from typer.core import TyperCommand

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Context settings of every command."""


class Command(TyperCommand):
    """Help in sections, an argument without braces in the usage line."""

    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Title -> names of the options in a section of their own, at the end."""

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
