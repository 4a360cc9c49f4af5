"""The settings file of edge-classify --watch: TOML, each key an option without its dashes.

The declarations of the options are the only list: they give the keys, types, limits and comments.
"""

import difflib
import json
import textwrap
from pathlib import Path
from typing import Any, Final, NoReturn

import typer

from bonefx_edge import NOTICE
from bonefx_edge.cli.exit_codes import ExitCode, fail
from bonefx_edge.cli.option_rules import FILES_ONLY
from bonefx_edge.text import printable

_NO_SETTING: Final = frozenset((*FILES_ONLY, "config", "version", "help"))
_WIDTH: Final = 98
"""Of a comment, without its number sign."""


def read_settings(context: typer.Context, path: Path | None) -> Path | None:
    """Take the values of a settings file as defaults: the command line wins.

    The callback of `--config`. It leaves if the file cannot be read, has an unknown key, or a value
    that the option does not take.
    """
    if path is None or context.resilient_parsing:
        return path
    options, values = settings(context), dict[str, Any]()
    for key, value in _read(path).items():
        if key not in options:
            near = difflib.get_close_matches(key, options, n=1)
            advice = f"did you mean {near[0]}?" if near else "edge-admin config lists the keys"
            _fail(path, f"no setting is named {printable(key)}; {advice}")
        values[str(options[key].name)] = _checked(path, context, options[key], value)
    context.default_map = values
    return path


def settings(context: typer.Context) -> dict[str, Any]:
    """Return the options that a settings file can have, by key."""
    return {
        each.opts[0].removeprefix("--"): each
        for each in context.command.params
        if each.name not in _NO_SETTING and not getattr(each, "hidden", False)
    }


def settings_text(context: typer.Context) -> str:
    """Return the settings of a command line as a settings file; what is not set is a comment."""
    lines = [*_comment(NOTICE)]
    for key, option in settings(context).items():
        value = context.params[str(option.name)]
        lines += ["", *_comment(option.help)]
        if value is None or value == ():
            lines.append(f"#{key} = {'[]' if option.multiple else _example(option)}")
        else:
            lines.append(f"{key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # here: each start of the command would pay for it

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as err:
        _fail(path, f"cannot be read ({err.strerror})")
    except UnicodeDecodeError:
        _fail(path, "expected UTF-8; save the file with this encoding")
    except tomllib.TOMLDecodeError as err:
        _fail(path, f"expected TOML, such as: workers = 2; found: {err}")


def _checked(path: Path, context: typer.Context, option: Any, value: Any) -> Any:
    """Return a value after the option has checked it, as on the command line."""
    key = option.opts[0].removeprefix("--")
    if isinstance(value, dict) or isinstance(value, list) != option.multiple:
        _fail(path, f"{key}: expected {'a list' if option.multiple else 'one value'}")
    if isinstance(value, bool) != bool(option.is_flag):
        _fail(path, f"{key}: expected {'true or false' if option.is_flag else 'no true or false'}")
    if value == "":
        _fail(path, f"{key}: the value is empty; write it, or leave the line out")
    as_words = value if isinstance(value, list | bool) else str(value)
    try:
        option.type_cast_value(context, as_words)
    except typer.BadParameter as err:
        _fail(path, f"{key}: {err.message}")
    return as_words


def _fail(path: Path, what: str) -> NoReturn:
    fail(f"{printable(str(path))}: {what}", code=ExitCode.USAGE)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH)]


def _example(option: Any) -> str:
    return json.dumps(option.metavar or "")


def _toml(value: Any) -> str:
    """Return a value in TOML, whose strings are those of JSON."""
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
