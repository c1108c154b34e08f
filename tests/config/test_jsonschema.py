"""The JSON Schema and the page of keys say what the types say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec.inspect as mi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.config import schema
from gwproxy.config.jsonschema import json_schema
from gwproxy.config.load import loads
from gwproxy.config.problems import KINDS, ConfigError
from gwproxy.config.reference import rewrite, tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"


SCHEMA = jsonschema_rs.Draft202012Validator(json_schema())


def accepts(text: str) -> bool:
    return bool(SCHEMA.is_valid(tomllib.loads(text)))


def test_the_schema_is_one_of_draft_2020_12() -> None:
    jsonschema_rs.meta.validate(json_schema())


def test_the_schema_accepts_the_reference_configuration() -> None:
    assert accepts((ROOT / "routes.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        '[gateway]\nworkers = "${W}"\nhalf_close = "${H}"\nheader_timeout = "${T}"\nmax_request_body = "${S}"',
        '[log]\nformat = "${F:-json}"',
        '[[routes]]\npath = "${P}"\nrequires_auth = "${A}"\nredirect = { to = "${T}", status = "${S}" }',
        '[auth.x]\ntype = "${T:-jwt}"\nalgorithms = ["${A}"]\nkey = "${K}"\nfrom = "${F}"',
    ],
)
def test_the_schema_accepts_a_placeholder_for_any_single_value(text: str) -> None:
    assert accepts(text)


VALUES = st.sampled_from([
    "true", "0", "-1", "1", "2.0", "0.5", '""', '"x"', '"/x"', '"5s"', '"0s"', '"1KiB"', '"json"', '"${E:-1s}"', "[]",
    '["x"]', "{}", '{ path = "/x" }', '{ requests = 1, window = "1s" }', '{ x = "y" }', '[{ url = "http://a" }]',
])  # fmt: skip
FIELDS = [
    (header, field.encode_name)
    for header, struct in (
        ("gateway", schema.Gateway),
        ("services.x", schema.Service),
        ("routes", schema.Route),
    )
    for field in mi.type_info(struct).fields  # type: ignore[attr-defined]
]


@settings(deadline=None)
@given(st.sampled_from(FIELDS), VALUES)
def test_schema_and_load_agree_on_the_shape_of_any_value(field: tuple[str, str], value: str) -> None:
    header, name = field
    base = {"gateway": {}, "services.x": {"url": '"http://a"'}, "routes": {"path": '"/x"', "respond": "{}"}}[
        header
    ]
    keys = base | {name: value}
    if name in ("targets", "service", "redirect"):
        keys = {key: each for key, each in keys.items() if key not in ("url", "respond") or key == name}
    written = "\n".join(f"{key} = {each}" for key, each in keys.items())
    text = f"[[{header}]]\n{written}" if header == "routes" else f"[{header}]\n{written}"
    if "${" not in value:
        assert accepts(text) is not has_wrong_shape(text), text


def has_wrong_shape(text: str) -> bool:
    try:
        loads(text)
    except ConfigError as error:
        return any(KINDS[problem.kind].stage == "shape" for problem in error.problems)
    return False


def test_every_key_has_a_description() -> None:
    def properties(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = definition["properties"]
        return found

    bare = [
        f"{name}.{key}"
        for name, definition in json_schema()["$defs"].items()
        for key, value in properties(definition).items()
        if not value.get("description") and key != "type"
    ]
    assert bare == []


def test_the_page_of_keys_is_what_the_types_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rewrite(page) == page, "python -m gwproxy.config.reference docs/configuration.md"


def test_the_page_of_keys_has_every_key_of_the_schema() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(tables()) > 25
    for definition in json_schema()["$defs"].values():
        for key, value in definition["properties"].items():
            assert f"`{key}`" in page
            assert value.get("description", "").replace("|", "\\|") in page
