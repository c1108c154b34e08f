"""The house: which room may lean on which, and what no room does. Read from the code itself, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "gwproxy"
SOURCES = sorted(ROOT.rglob("*.py"))

# From the bottom up; a room imports from those below it, and from itself. docs/architecture.md draws the same.
ROOMS = (
    "errors", "drive", "deadlines", "exchange", "replies", "telemetry", "wire", "config", "state", "auth", "limits",
    "egress", "steps", "snapshot", "ingress", "runtime", "demo", "cli",
)  # fmt: skip
LEAVES = ("errors", "drive", "deadlines")
LONGEST = 300


def room(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT.parent).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), name_of(path))


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    for child in ast.iter_child_nodes(tree):
        if only_for_types(child):
            continue
        yield child
        yield from nodes(child)


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules of gwproxy that run when this one does, inside functions too."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            if node.module == "gwproxy":
                yield from (f"gwproxy.{alias.name}" for alias in node.names)
            elif node.module:
                yield node.module


def rooms_imported(path: Path) -> set[str]:
    parts = (module.split(".") for module in imported(parse(path)))
    return {names[1] for names in parts if names[0] == "gwproxy" and len(names) > 1}


def upward(path: Path, tree: ast.Module) -> list[str]:
    """Rooms above the file's own that it imports from."""
    own = ROOMS.index(room(path))
    parts = (module.split(".") for module in imported(tree))
    used = {names[1] for names in parts if names[0] == "gwproxy" and len(names) > 1}
    return sorted(name for name in used if name in ROOMS and ROOMS.index(name) > own)


def test_every_file_stands_in_a_known_room():
    known = {*ROOMS, "__init__", "__main__"}
    assert {room(path) for path in SOURCES} <= known


@pytest.mark.parametrize("path", [path for path in SOURCES if room(path) in ROOMS], ids=name_of)
def test_imports_point_one_way(path):
    assert upward(path, parse(path)) == []


def test_demo_is_what_only_the_command_line_may_start():
    users = {name_of(path) for path in SOURCES if "demo" in rooms_imported(path) and room(path) != "demo"}
    assert all(user.startswith("gwproxy/cli/") for user in users)


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_nothing_of_ours(leaf):
    assert rooms_imported(ROOT / f"{leaf}.py") == set()


def test_wire_does_no_io():
    banned = {"asyncio", "socket", "ssl", "uvloop", "select", "os", "time"}
    for path in SOURCES:
        if room(path) == "wire":
            assert not banned & {module.split(".")[0] for module in imported(parse(path))}, name_of(path)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_one_idea(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def broad(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type is not None else "BaseException"
    return (
        "Exception" in caught.replace("(", " ").replace(")", " ").replace(",", " ").split()
        or "BaseException" in caught
    )


def silent(handler: ast.ExceptHandler) -> bool:
    """Whether nothing at all is done about what was caught."""
    return all(
        isinstance(statement, ast.Pass | ast.Continue)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in handler.body
    )


def swallowed(tree: ast.Module) -> list[int]:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and broad(node) and silent(node)
    ]
    suppressed = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")
        and any(ast.unparse(arg) in ("Exception", "BaseException") for arg in node.args)
    ]  # fmt: skip
    return [node.lineno for node in (*found, *suppressed)]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_failure_is_swallowed(path):
    assert swallowed(parse(path)) == []


def reads_environment(tree: ast.Module) -> list[int]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "os.environ",
            "os.getenv",
            "os.environb",
        ):
            found.append(node.lineno)
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        ):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_environment_is_read_at_the_door_only(path):
    """The command line hands it on as a mapping; config/load.py may, and systemd's variables are its own."""
    if room(path) in ("cli", "__main__") or name_of(path) in (
        "gwproxy/config/load.py",
        "gwproxy/runtime/systemd.py",
        # A command of its own.
        "gwproxy/runtime/rehearse.py",
    ):
        return
    assert reads_environment(parse(path)) == []


def whole_body_readers(tree: ast.Module) -> list[int]:
    """Calls of aiohttp's request.post() and request.multipart(), which read or spool without a bound of ours."""
    return [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "multipart"
             or (node.func.attr == "post" and ast.unparse(node.func.value).endswith("request")))
    ]  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_forms_are_never_parsed_by_aiohttp(path):
    assert whole_body_readers(parse(path)) == []


def file_servers(tree: ast.Module) -> list[int]:
    """Uses of what aiohttp and asyncio have for serving files: no path of a caller may ever name one."""
    served = {"add_static", "static", "FileResponse", "sendfile"}
    return [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in served
    ]  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_served_from_disk(path):
    assert file_servers(parse(path)) == []


# -- the rules see what they are for

BAD = {
    "upward import": (upward, "from gwproxy.ingress.server import GatewayServer"),
    "upward import in a function": (upward, "def f():\n    import gwproxy.cli.main"),
    "package imported whole": (upward, "from gwproxy import runtime"),
    "pass": (swallowed, "try:\n    f()\nexcept Exception:\n    pass"),
    "bare except": (swallowed, "try:\n    f()\nexcept:\n    ..."),
    "suppress": (swallowed, "with contextlib.suppress(Exception):\n    f()"),
    "environ": (reads_environment, "import os\nx = os.environ['A']"),
    "getenv": (reads_environment, "from os import getenv"),
    "post": (whole_body_readers, "async def f(request):\n    await request.post()"),
    "static files": (file_servers, "app.router.add_static('/', folder)"),
    "file": (file_servers, "async def f(request):\n    return web.FileResponse(path)"),
    "multipart": (whole_body_readers, "async def f(request):\n    await request.multipart()"),
}


@pytest.mark.parametrize(("rule", "text"), BAD.values(), ids=BAD)
def test_rule_finds_what_it_forbids(rule, text):
    tree = ast.parse(text)
    assert rule(ROOT / "wire" / "x.py", tree) if rule is upward else rule(tree)


def test_imports_for_type_checkers_are_exempt():
    text = "if TYPE_CHECKING:\n    from gwproxy.ingress.server import GatewayServer"
    assert upward(ROOT / "wire" / "x.py", ast.parse(text)) == []
