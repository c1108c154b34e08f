"""Files of keys and users that cannot be read as such: what they have is not known, so nothing is missed in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gwproxy.config.check import check
from gwproxy.config.load import load
from gwproxy.config.problems import ConfigError


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (None, ["unreadable_file"]), ("partner-1: gwk\n", ["syntax"]), ("[[key]]\nid = 'a'\n", ["unknown_key"]),
        ("keys = 'a'\n", ["wrong_type"]), ("[keys]\nid = 'a'\n", ["wrong_type"]),
        ("# none yet\n", ["nobody_can_enter"]), ("keys = []\n", ["nobody_can_enter"]),
    ],
)  # fmt: skip
def test_of_an_unreadable_keys_file_that_alone_is_told(content: str | None, kinds: list[str], tmp_path: Path) -> None:
    file = tmp_path / "gw.toml"
    file.write_text('[auth.partners]\ntype = "api_key"\nkeys_file = "keys.toml"\n', encoding="utf-8")
    if content is not None:
        (tmp_path / "keys.toml").write_text(content, encoding="utf-8")
    try:
        problems = tuple(check(load(file, {})))
    except ConfigError as error:
        problems = error.problems
    assert [problem.kind for problem in problems] == kinds


def test_the_header_of_an_entry_is_told_as_its_own_file_has_it(tmp_path: Path) -> None:
    """[[keys]] in a keys file, and [[auth.NAME.keys]] in the gateway's; neither repeats what stands there instead."""
    file = tmp_path / "gw.toml"
    file.write_text('[auth.k]\ntype = "api_key"\nkeys_file = "keys.toml"\nkeys = ["hunter2"]\n', encoding="utf-8")
    (tmp_path / "keys.toml").write_text('keys = ["hunter2"]\n', encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(file, {})
    told = [(Path(each.place.file).name, each.found, each.hint) for each in error.value.problems]
    assert told == [
        ("gw.toml", "a string", "write [[auth.k.keys]]"), ("keys.toml", "a string", "write [[keys]]"),
    ]  # fmt: skip
