"""Values from JSON as instances of annotated dataclasses, strictly: for files that others write."""

import dataclasses
import types
import typing
from enum import Enum
from typing import Any


def build(kind: Any, raw: Any, *, where: str) -> Any:
    """Return `raw` (from json) as an instance of the annotated type `kind`, strictly.

    Parameters
    ----------
    kind
        A dataclass, or the annotation of a field of one.
    where
        Name of `raw` in messages.

    Raises
    ------
    TypeError, ValueError
        A field is absent whose default is not None, unknown or of another type, or its class
        refuses the value.
    """
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, raw, where=where)
    if origin is tuple:
        return _build_tuple(typing.get_args(kind), raw, where=where)
    if origin is dict:
        return _expect(raw, dict, where=where)
    if origin in (types.UnionType, typing.Union):
        inner = next(arg for arg in typing.get_args(kind) if arg is not type(None))
        return None if raw is None else build(inner, raw, where=where)
    if issubclass(kind, Enum):
        return kind(raw)
    if kind is float:
        return float(_expect(raw, (int, float), where=where))
    return _expect(raw, kind, where=where)


def _build_dataclass(kind: Any, raw: Any, *, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    got = set(_expect(raw, dict, where=where))
    optional = {each.name for each in dataclasses.fields(kind) if each.default is None}
    odd = (got - set(hints)) | (set(hints) - optional - got)
    if odd:
        msg = f"{where}: absent or unknown fields: {', '.join(sorted(odd))}"
        raise ValueError(msg)
    values = {
        key: build(hints[key], raw[key], where=f"{where}.{key}") for key in hints if key in got
    }
    return kind(**values)


def _build_tuple(args: tuple[Any, ...], raw: Any, *, where: str) -> tuple[Any, ...]:
    items = _expect(raw, list, where=where)
    kinds = [args[0]] * len(items) if args[-1] is Ellipsis else list(args)
    if len(kinds) != len(items):
        msg = f"{where}: expected {len(kinds)} items, got {len(items)}"
        raise ValueError(msg)
    pairs = zip(kinds, items, strict=True)
    return tuple(build(kind, item, where=f"{where}[{i}]") for i, (kind, item) in enumerate(pairs))


def _expect(raw: Any, kind: Any, *, where: str) -> Any:
    # bool is an int in Python; a true/false where a number belongs is a mistake.
    if not isinstance(raw, kind) or isinstance(raw, bool):
        msg = f"{where}: expected {kind}, got {type(raw).__name__}"
        raise TypeError(msg)
    return raw
