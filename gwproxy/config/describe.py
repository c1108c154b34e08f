"""msgspec's types in words, for what a problem calls "expected"."""

from __future__ import annotations

from typing import Any

import msgspec.inspect as mi

from gwproxy.config.problems import show
from gwproxy.config.units import Duration

DURATION_FORM = 'a duration such as "250ms", "5s", "10m" or a number of seconds'
SIZE_FORM = 'a size such as "64KiB", "10MiB" or a number of bytes'


def peel(type_: mi.Type) -> tuple[mi.Type, dict[str, Any]]:
    """Take a type out of its annotations: the bare type, and all that was said about it."""
    extra: dict[str, Any] = {}
    while isinstance(type_, mi.Metadata):
        extra = {**(type_.extra_json_schema or {}), **extra}
        type_ = type_.type
    return type_, extra


def members(union: mi.UnionType) -> tuple[mi.Type, ...]:
    """What a union offers besides None: a file has no null, None only means that a key was not written."""
    return tuple(each for each in union.types if not isinstance(each, mi.NoneType))


def is_secret(type_: mi.Type) -> bool:
    """Whether what stands there must never be shown."""
    bare, extra = peel(type_)
    inner = members(bare) if isinstance(bare, mi.UnionType) else ()
    return bool(extra.get("writeOnly")) or any(is_secret(each) for each in inner)


def describe(type_: mi.Type) -> str:
    """What a value of this type looks like, with its article: "a whole number", "a table"."""
    bare, extra = peel(type_)
    if "title" in extra:
        return str(extra["title"])
    match bare:
        case mi.UnionType():
            return " or ".join(dict.fromkeys(describe(each) for each in members(bare)))
        case mi.LiteralType():
            return " or ".join(show(value) for value in bare.values)
        case mi.CustomType():
            return DURATION_FORM if bare.cls is Duration else SIZE_FORM
        case mi.VarTupleType():
            return f"an array, each of it {describe(bare.item_type)}"
        case mi.IntType() | mi.FloatType():
            return f"a {'whole ' if isinstance(bare, mi.IntType) else ''}number{bounds(bare)}"
        case mi.StrType():
            return "a string"
        case mi.BoolType():
            return "true or false"
    return "a table"


def holds(type_: mi.Type) -> str:
    """ "table", "tables" or "values", where a table or an array of these belongs, and nothing else; empty elsewhere."""
    bare, _ = peel(type_)
    match bare:
        case mi.StructType() | mi.DictType():
            return "table"
        case mi.VarTupleType():
            return "tables" if holds(bare.item_type) == "table" else "values"
        case mi.UnionType():
            found = {holds(each) for each in members(bare)}
            return found.pop() if len(found) == 1 else ""
    return ""


def shown_instead_of(type_: mi.Type, value: object) -> str:
    """What was found. Where a table or an array belongs its kind alone: a secret may well stand there as it is."""
    if not holds(type_) or isinstance(value, dict | list):
        return show(value)
    if isinstance(value, str | bool):
        return "a string" if isinstance(value, str) else "true or false"
    return "a number" if isinstance(value, int | float) else "a date"


def cure(type_: mi.Type, value: object, name: str, element: bool) -> str:
    """How to write what was meant, where a table or an array belongs and something else stands; empty elsewhere.

    `name`: of the table, or of the array that it is an element of.
    """
    kind = holds(type_)
    if kind == "values":
        return "" if isinstance(value, dict | list) else "write [ ] around it"
    if kind == "tables" or (kind and element):
        return f"write [[{name}]]"
    return f"write [{name}{'.NAME' if _has_names(type_) else ''}]" if kind and name else ""


def _has_names(type_: mi.Type) -> bool:
    """Whether its entries are tables under names of one's own."""
    bare, _ = peel(type_)
    if isinstance(bare, mi.DictType):
        return holds(bare.value_type) == "table"
    return isinstance(bare, mi.StructType) and hasattr(bare.cls, "rest")


def bounds(type_: mi.IntType | mi.FloatType) -> str:
    """The limits of a number, as words that follow it."""
    said = [
        f"{word} {limit:.15g}"
        for word, limit in (
            ("at least", type_.ge),
            ("above", type_.gt),
            ("at most", type_.le),
            ("below", type_.lt),
        )
        if limit is not None
    ]
    return f", {' and '.join(said)}" if said else ""
