"""What the package says of itself, and what travels in it."""

import ast
import configparser
import re
import sys
import tomllib
from pathlib import Path

import gwproxy

ROOT = Path(__file__).parents[2]
# What a distribution is called by import, where that is not its own name.
IMPORT_NAMES = {"pyjwt": "jwt", "prometheus-client": "prometheus_client", "jsonschema-rs": "jsonschema_rs"}


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text: str) -> list[str]:
    names = [re.split(r"[\[<>=]", line)[0].strip().lower() for line in text.split()]
    return [IMPORT_NAMES.get(name, name) for name in names]


def imports_of_package() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in (ROOT / "gwproxy").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            found |= {name.partition(".")[0]: file.name for name in names}
    return found


def test_version_is_the_same_everywhere():
    assert gwproxy.__version__ == setup_cfg()["metadata"]["version"]


def test_packaged_routes_are_the_ones_at_the_top_of_the_checkout():
    assert (ROOT / "gwproxy/demo/routes.toml").read_bytes() == (ROOT / "routes.toml").read_bytes()


def test_every_library_that_is_imported_is_required():
    parser = setup_cfg()
    declared = set(requirements(parser["options"]["install_requires"]))
    for extra in ("embedded", "otel"):
        declared |= set(requirements(parser["options.extras_require"][extra]))
    foreign = {
        name: file
        for name, file in imports_of_package().items()
        if name not in sys.stdlib_module_names and name != "gwproxy"
    }
    # What PyJWT's extra brings.
    declared.add("cryptography")
    assert {name: file for name, file in foreign.items() if name not in declared} == {}


def test_every_data_file_has_a_pattern_that_packs_it():
    patterns = setup_cfg()["options.package_data"]["gwproxy"].split()
    package = ROOT / "gwproxy"
    packed = {file for pattern in patterns for file in package.glob(pattern)}
    data = {
        file
        for file in package.rglob("*")
        if file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts
    }
    assert data - packed == set()


def test_every_folder_with_code_is_a_package():
    folders = {file.parent for file in (ROOT / "gwproxy").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_demo_routes_are_open_and_below_demo():
    table = tomllib.loads((ROOT / "gwproxy/demo/demo.toml").read_text(encoding="utf-8"))
    assert table["include"] == ["routes.toml"]
    assert all(route["requires_auth"] is False for route in table["routes"])
    assert all(route["path"].startswith("/demo/") for route in table["routes"])
