"""The tables of docs/configuration.md, made from the same types as the walk and the schema.

`python -m gwproxy.config.reference docs/configuration.md` writes them anew, between the two marks in that page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import msgspec.inspect as mi

from gwproxy.config.describe import members, peel
from gwproxy.config.jsonschema import default_of, type_words
from gwproxy.config.schema import Config, RouteDefaults, ServiceDefaults
from gwproxy.config.walk import type_info

BEGIN: Final = "<!-- keys: written by gwproxy.config.reference -->"
END: Final = "<!-- end of keys -->"

# Their keys are described once, on the table that they give values to.
_ELSEWHERE: Final = (ServiceDefaults, RouteDefaults)


def reference() -> str:
    """One section a table of the file, one row a key: name, type, default, meaning."""
    sections = [_section(name, struct) for name, struct in tables()]
    return "\n\n".join(sections)


def tables() -> list[tuple[str, mi.StructType]]:
    """Every table that a file may have, by the name of its header; NAME stands for a name of the user's own."""
    return list(_tables("", type_info(Config)))


def _tables(name: str, type_: mi.Type) -> Iterator[tuple[str, mi.StructType]]:
    bare, _ = peel(type_)
    match bare:
        case mi.StructType():
            yield name, bare
            for field in bare.fields if bare.cls not in _ELSEWHERE else ():
                inner = name if getattr(bare.cls, "rest", "") == field.name else f"{name}.{field.encode_name}"
                yield from _tables(inner.removeprefix("."), field.type)
        case mi.DictType():
            yield from _tables(f"{name}.NAME", bare.value_type)
        case mi.VarTupleType():
            yield from _tables(f"{name}[]", bare.item_type)
        case mi.UnionType():
            for each in members(bare):
                yield from _tables(name, each)


def _section(name: str, struct: mi.StructType) -> str:
    doc = " ".join((struct.cls.__doc__ or "").split())
    tagged = f', {struct.tag_field} = "{struct.tag}"' if struct.tag_field else ""
    title = f"### `{name}`{tagged}" if name else "### The file"
    if struct.cls in _ELSEWHERE:
        allowed = ", ".join(f"`{key}`" for key in struct.cls.__struct_encode_fields__)
        return f"{title}\n\n{doc} These are: {allowed}."
    keys = [field for field in struct.fields if field.name != getattr(struct.cls, "rest", None)]
    rows = [_row(field) for field in sorted(keys, key=lambda field: not field.required)]
    if struct.tag_field:
        rows.insert(
            0, f'| `{struct.tag_field}` | "{struct.tag}" | must be written | Which kind of table this is. |'
        )
    return "\n".join([title, "", doc, "", "| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _row(field: mi.Field) -> str:
    _, extra = peel(field.type)
    cells = (f"`{field.encode_name}`", type_words(field.type), _default(field), extra.get("description", ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(field: mi.Field) -> str:
    if field.required:
        return "must be written"
    default = default_of(field)
    return "" if default is msgspec.NODEFAULT else f"`{json.dumps(default)}`"


def rewrite(page: str) -> str:
    """A page with the tables between its marks made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(rewrite(document.read_text(encoding="utf-8")), encoding="utf-8")
