"""docs/architecture.md speaks of real things."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import pytest

from tests.architecture.test_house import ROOMS
from tests.docs.pages import ROOT, text_of

PAGE = ROOT / "docs" / "architecture.md"
NAMES = sorted(set(re.findall(r"`(gwproxy\.[\w.]+)`", text_of(PAGE))))
HOUSE = re.findall(r"^```\n(cli.*?)^```$", text_of(PAGE), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_name_exists(name: str):
    held: object = importlib.import_module("gwproxy")
    path = "gwproxy"
    for part in name.split(".")[1:]:
        path += f".{part}"
        held = getattr(held, part) if hasattr(held, part) else inside(held, path)
    assert held is not None


def inside(held: object, path: str) -> object:
    assert isinstance(held, ModuleType), f"{path} does not exist"
    return importlib.import_module(path)


def test_way_of_a_request_is_told_by_many_names():
    assert len(NAMES) > 50


def test_every_room_is_drawn():
    assert set(ROOMS) <= set(re.findall(r"\w+", HOUSE[0]))
