"""From what TOML holds to the structs of schema.py, noting every mistake on the way.

msgspec itself stops at the first mistake and knows no lines. This walks value and type side by side. Where a value
cannot be used it notes one Problem and goes on with a stand-in, so that the rules of check.py can look at the rest of
the file too; a configuration with a stand-in in it is never handed out (load.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect as mi

from gwproxy.config.describe import cure, describe, is_secret, members, peel, shown_instead_of
from gwproxy.config.forms import Choice
from gwproxy.config.placeholders import PlaceholderError, has_placeholder
from gwproxy.config.places import Places
from gwproxy.config.problems import Key, Problem, did_you_mean, dotted, nearest, show
from gwproxy.config.scalars import Misfit, scalar

type_info = cache(mi.type_info)


class Walk:
    """One walk over one configuration's values.

    As it goes, `problems` fills, and so do `unsound`, the keys whose values are not the file's own, and `templates`,
    the strings that have placeholders.
    """

    def __init__(self, places: Places, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self.unsound: set[Key] = set()
        self.templates: dict[Key, str] = {}
        self._places = places
        self._environ = environ

    def read(self, type_: mi.Type, value: object, key: Key) -> Any:
        """Turn a value into its type; a stand-in where it does not fit, with a Problem noted."""
        try:
            return self._convert(type_, value, key)
        except PlaceholderError as error:
            self._add(error.kind, key, found=error.found, hint=error.hint)
        except Misfit as misfit:
            found = "(hidden)" if is_secret(type_) else misfit.found or shown_instead_of(type_, value)
            hint = self._cure(type_, value, key) if misfit.kind == "wrong_type" else ""
            self._add(misfit.kind, key, misfit.expected or describe(type_), found, hint)
        self.unsound.add(key)
        return stand_in(type_)

    def _convert(self, type_: mi.Type, value: object, key: Key) -> Any:
        bare, extra = peel(type_)
        match bare:
            case mi.StructType():
                return self._struct(bare, _table(value), key)
            case mi.DictType():
                return self._dict(bare, _table(value), key, extra.get("minProperties", 0))
            case mi.VarTupleType():
                return self._tuple(bare, value, key, extra.get("minItems", 0))
            case mi.UnionType():
                return self._union(bare, value, key)
        if isinstance(value, str) and has_placeholder(value):
            self.templates[key] = value
        return scalar(type_, value, self._environ)

    def _struct(self, struct: mi.StructType, table: dict[str, object], key: Key) -> Any:
        fields = {field.encode_name: field for field in struct.fields}
        rest = getattr(struct.cls, "rest", None)
        values: dict[str, Any] = {}
        others: dict[str, object] = {}
        meant: set[str] = set()
        for name, value in table.items():
            if name in fields and name != rest:
                values[fields[name].name] = self.read(fields[name].type, value, (*key, name))
            elif rest and isinstance(value, dict):
                others[name] = value
            elif rest:
                self._unknown_setting(name, [each for each in fields if each != rest], (*key, name))
            elif name != struct.tag_field:
                elsewhere: Mapping[str, str] = getattr(struct.cls, "elsewhere", {})
                meant.add(self._unknown(name, fields, (*key, name), elsewhere.get(name, "")))
        if rest:
            values[rest] = self.read(fields[rest].type, others, key)
        for field in struct.fields:
            if field.required and field.name not in values:
                values[field.name] = stand_in(field.type)
                self.unsound.add((*key, field.encode_name))
                if field.encode_name not in table.keys() | meant:
                    self._add("missing_key", (*key, field.encode_name), describe(field.type))
        self._choices(struct.cls, table, meant, key)
        return struct.cls(**values)

    def _unknown(self, name: str, fields: Mapping[str, mi.Field], key: Key, hint: str) -> str:
        """Note a key that the table does not have; return the one that was probably meant, or nothing."""
        meant = "" if hint else nearest(name, fields)
        self._add("unknown_key", key, hint=hint or did_you_mean(name, fields))
        self.unsound.add((*key[:-1], meant or name))
        return meant

    def _unknown_setting(self, name: str, known: list[str], key: Key) -> None:
        """Note what stands among tables that have names of their own, and is neither one of these nor a setting."""
        hint, meant = did_you_mean(name, known), nearest(name, known)
        if meant:
            self.unsound.add((*key[:-1], meant))
        else:
            # It may be meant for either, so nothing can be said of what is missing here.
            self.unsound.add(key[:-1])
            hint += f", or a table [{dotted(key[:-1])}.NAME]"
        self._add("unknown_key", key, hint=hint)

    def _choices(self, cls: type, table: Collection[str], meant: set[str], key: Key) -> None:
        """Keys that exclude each other, and those that go together; a misspelt one is not missed as well."""
        choices: tuple[Choice, ...] = getattr(cls, "choices", ())
        for choice in choices:
            found = [name for name in choice.keys if name in table]
            if len(found) > 1:
                self.unsound.add((*key, found[1]))
                self._add("conflicting_keys", (*key, found[1]), hint=f"write only one of {', '.join(found)}")
            elif choice.required and not meant.union(table).intersection(choice.enough):
                self._add("missing_key", key, f"one of {', '.join(choice.enough)}")
        pairs: tuple[tuple[str, ...], ...] = getattr(cls, "together", ())
        for pair in pairs:
            lacking = [name for name in pair if name not in table]
            if len(lacking) == 1 and lacking[0] not in meant:
                self.unsound.add((*key, lacking[0]))
                self._add("missing_key", (*key, lacking[0]), hint=f"{' and '.join(pair)} go together")

    def _dict(self, type_: mi.DictType, table: dict[str, object], key: Key, least: int) -> dict[str, Any]:
        if len(table) < least:
            raise Misfit("wrong_form", expected="at least one entry", found="an empty table")
        for name in table:
            try:
                scalar(type_.key_type, name, {})
            except (Misfit, PlaceholderError):
                self._add("wrong_form", (*key, name), describe(type_.key_type), show(name))
                if not isinstance(table[name], dict):
                    # A table under a wrong name is what it is all the same.
                    self.unsound.add((*key, name))
        return {name: self.read(type_.value_type, value, (*key, name)) for name, value in table.items()}

    def _tuple(self, type_: mi.VarTupleType, value: object, key: Key, least: int) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Misfit("wrong_type")
        if len(value) < least:
            raise Misfit("wrong_form", expected="at least one element", found="an empty array")
        return tuple(self.read(type_.item_type, each, (*key, index)) for index, each in enumerate(value))

    def _union(self, union: mi.UnionType, value: object, key: Key) -> Any:
        offered = members(union)
        if len(offered) == 1:
            return self._convert(offered[0], value, key)
        tagged = [bare for bare in (peel(each)[0] for each in offered) if isinstance(bare, mi.StructType)]
        if tagged:
            return self._tagged(tagged, _table(value), key)
        misfits: list[Misfit] = []
        for each in offered:
            try:
                return self._convert(each, value, key)
            except Misfit as misfit:
                misfits.append(misfit)
        # What was right but for its value tells more than what was of another type altogether.
        best = next((misfit for misfit in misfits if misfit.kind != "wrong_type"), misfits[0])
        raise Misfit(best.kind, expected=describe(union), found=best.found)

    def _tagged(self, tagged: list[mi.StructType], table: dict[str, object], key: Key) -> Any:
        """A table whose kind is told by one of its keys."""
        name = str(tagged[0].tag_field)
        tags = {str(each.tag): each for each in tagged}
        if name not in table:
            self.unsound.add(key)
            self._add("missing_key", (*key, name), " or ".join(map(show, tags)))
            return stand_in(tagged[0])
        tag = self.read(mi.LiteralType(values=tuple(tags)), table[name], (*key, name))
        # With an unknown tag nothing can be said about the other keys.
        return self._struct(tags[tag], table, key) if tag in tags else stand_in(tagged[0])

    def _cure(self, type_: mi.Type, value: object, key: Key) -> str:
        """The header of the table, or of the tables, that is meant where something else stands."""
        element = bool(key) and isinstance(key[-1], int)
        if element and self._places.find(key).file != self._places.find(key[:-1]).file:
            # It comes out of a file of its own, whose tables are not beneath anything.
            key = key[-2:]
        return cure(type_, value, dotted(tuple(each for each in key if isinstance(each, str))), element)

    def _add(self, kind: str, key: Key, expected: str = "", found: str = "", hint: str = "") -> None:
        place = self._places.find(key)
        self.problems.append(
            Problem(kind=kind, place=place, key=dotted(key), expected=expected, found=found, hint=hint)
        )


def _table(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Misfit("wrong_type")
    return value


def stand_in(type_: mi.Type) -> Any:
    """A harmless value of a type, to stand where the file's own is unusable."""
    bare, _ = peel(type_)
    match bare:
        case mi.StructType():
            required = {field.name: stand_in(field.type) for field in bare.fields if field.required}
            return bare.cls(**required)
        case mi.UnionType():
            nothing = len(members(bare)) < len(bare.types)
            return None if nothing else stand_in(members(bare)[0])
        case mi.DictType():
            return {}
        case mi.VarTupleType():
            return ()
        case mi.CustomType():
            return bare.cls(1)
        case mi.IntType() | mi.FloatType():
            return 1
        case mi.BoolType():
            return False
    return msgspec.UNSET if isinstance(bare, mi.LiteralType) else ""
