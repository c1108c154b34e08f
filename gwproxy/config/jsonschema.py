"""JSON Schema (Draft 2020-12) of the file, for editors: refuses what the walk refuses by shape, and no more.

Made from the same types as the walk. Any string may hold a placeholder, ${NAME}; what that becomes only the
environment knows, so such a string is accepted wherever a single value is.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

import msgspec
import msgspec.inspect as mi

from gwproxy.config.describe import bounds, describe, is_secret, members, peel
from gwproxy.config.forms import Choice
from gwproxy.config.schema import Config
from gwproxy.config.units import DATE_PATTERN, DURATION_PATTERN, SIZE_PATTERN, Duration, plain
from gwproxy.config.walk import type_info

Schema = dict[str, Any]

PLACEHOLDER: Final[Schema] = {"type": "string", "pattern": r"\$\{"}
_LIMITS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def json_schema() -> Schema:
    """The schema of the whole file, each table a definition of its own."""
    definitions: dict[str, Schema] = {}
    root = type_info(Config)
    _define(root, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gwproxy configuration",
        "$ref": "#/$defs/Config",
        "$defs": definitions,
    }


def _define(type_: mi.Type, definitions: dict[str, Schema]) -> Schema:
    """A reference to a struct's definition, which is made when it is met first."""
    assert isinstance(type_, mi.StructType)
    name = type_.cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name].update(_struct(type_, definitions))
    return {"$ref": f"#/$defs/{name}"}


def _struct(struct: mi.StructType, definitions: dict[str, Schema]) -> Schema:
    rest = getattr(struct.cls, "rest", None)
    properties = {
        field.encode_name: _field(field, definitions) for field in struct.fields if field.name != rest
    }
    required = [field.encode_name for field in struct.fields if field.required]
    others: bool | Schema = False
    names: Schema = {}
    for field in struct.fields:
        bare, _ = peel(field.type)
        if field.name == rest and isinstance(bare, mi.DictType):
            others = _schema(bare.value_type, definitions)
            names = {"propertyNames": _plain_string(peel(bare.key_type)[0])}
    if struct.tag_field:
        properties = {struct.tag_field: _or_placeholder({"enum": [struct.tag]}), **properties}
        required = [struct.tag_field, *required]
    schema: Schema = {"type": "object", "description": struct.cls.__doc__, "properties": properties}
    schema["additionalProperties"] = others
    return schema | names | ({"required": required} if required else {}) | _together(struct.cls)


def _together(cls: type) -> Schema:
    """Keys that exclude each other, and keys that need each other."""
    choices: tuple[Choice, ...] = getattr(cls, "choices", ())
    rules: list[Schema] = []
    for choice in choices:
        if choice.unless:
            rules += [{"not": {"required": list(pair)}} for pair in combinations(choice.keys, 2)]
            rules.append({"anyOf": [{"required": [key]} for key in choice.enough]})
        elif choice.required:
            rules.append({"oneOf": [{"required": [key]} for key in choice.keys]})
        else:
            rules += [{"not": {"required": list(pair)}} for pair in combinations(choice.keys, 2)]
    pairs: tuple[tuple[str, ...], ...] = getattr(cls, "together", ())
    needed = {key: [other for other in pair if other != key] for pair in pairs for key in pair}
    return ({"allOf": rules} if rules else {}) | ({"dependentRequired": needed} if needed else {})


def _field(field: mi.Field, definitions: dict[str, Schema]) -> Schema:
    _, extra = peel(field.type)
    schema = dict(_schema(field.type, definitions))
    schema |= {"description": extra["description"]} if "description" in extra else {}
    schema |= {"writeOnly": True} if is_secret(field.type) else {}
    default = default_of(field)
    return schema if default is msgspec.NODEFAULT else schema | {"default": default}


def default_of(field: mi.Field) -> Any:
    """A key's default as a file would write it; NODEFAULT where there is none, or where it is "nothing"."""
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is msgspec.NODEFAULT or default is None or isinstance(default, msgspec.Struct):
        return msgspec.NODEFAULT
    if type(default).__name__ in ("Duration", "Size"):
        return str(default)
    return msgspec.to_builtins(default, enc_hook=plain)


def _schema(type_: mi.Type, definitions: dict[str, Schema]) -> Schema:
    bare, extra = peel(type_)
    match bare:
        case mi.StructType():
            return _define(bare, definitions)
        case mi.DictType():
            names = _plain_string(peel(bare.key_type)[0])
            values = _schema(bare.value_type, definitions)
            least = {name: extra[name] for name in ("minProperties",) if name in extra}
            return {"type": "object", "propertyNames": names, "additionalProperties": values} | least
        case mi.VarTupleType():
            array: Schema = {"type": "array", "items": _schema(bare.item_type, definitions)}
            return array | {name: extra[name] for name in ("minItems",) if name in extra}
        case mi.UnionType():
            offered = [_schema(each, definitions) for each in members(bare)]
            return offered[0] if len(offered) == 1 else {"anyOf": offered}
        case mi.CustomType():
            return {"title": describe(bare)} | _unit(bare, extra)
        case mi.StrType():
            return {key: extra[key] for key in ("title",) if key in extra} | _string(bare)
        case mi.DateType():
            return {"title": extra["title"]} | _or_placeholder({"type": "string", "pattern": DATE_PATTERN})
    return _or_placeholder(_value(bare))


def _value(bare: mi.Type) -> Schema:
    match bare:
        case mi.LiteralType():
            return {"enum": list(bare.values)}
        case mi.IntType() | mi.FloatType():
            kind = "integer" if isinstance(bare, mi.IntType) else "number"
            limits = {word: getattr(bare, name) for name, word in _LIMITS.items()}
            return {"type": kind} | {word: limit for word, limit in limits.items() if limit is not None}
        case mi.BoolType():
            return {"type": "boolean"}
    raise TypeError(bare)


def _unit(bare: mi.CustomType, extra: dict[str, Any]) -> Schema:
    """A number, or a string with its unit; where it must be more than nothing, some digit of it is not 0."""
    positive = "exclusiveMinimum" in extra
    pattern = DURATION_PATTERN if bare.cls is Duration else SIZE_PATTERN
    number: Schema = {"type": "number" if bare.cls is Duration else "integer"}
    number |= {"exclusiveMinimum": 0} if positive else {"minimum": 0}
    written = {"type": "string", "pattern": pattern.replace("^", "^(?=.*[1-9])", 1) if positive else pattern}
    return {"anyOf": [number, written, PLACEHOLDER]}


def _string(bare: mi.StrType) -> Schema:
    plain_string = _plain_string(bare)
    return plain_string if "pattern" not in plain_string else _or_placeholder(plain_string)


def _plain_string(bare: mi.Type) -> Schema:
    schema: Schema = {"type": "string"}
    if isinstance(bare, mi.StrType):
        schema |= {"pattern": bare.pattern} if bare.pattern else {}
        schema |= {"minLength": bare.min_length} if bare.min_length else {}
    return schema


def _or_placeholder(schema: Schema) -> Schema:
    return {"anyOf": [schema, PLACEHOLDER]}


def type_words(type_: mi.Type) -> str:
    """A key's type in a few words, for docs/configuration.md."""
    bare, extra = peel(type_)
    match bare:
        case mi.StructType():
            return "table"
        case mi.DictType():
            return f"table of name = {type_words(bare.value_type)}"
        case mi.VarTupleType():
            return f"array of {type_words(bare.item_type)}"
        case mi.UnionType():
            return " or ".join(dict.fromkeys(type_words(each) for each in members(bare)))
        case mi.LiteralType():
            return " or ".join(
                f'"{value}"' if isinstance(value, str) else str(value) for value in bare.values
            )
        case mi.CustomType():
            return str(bare.cls.__name__).lower() + (" above 0" if "exclusiveMinimum" in extra else "")
        case mi.IntType() | mi.FloatType():
            return f"{'whole ' if isinstance(bare, mi.IntType) else ''}number{bounds(bare)}"
        case mi.BoolType():
            return "true or false"
        case mi.DateType():
            return "date"
    return "string"
