"""The path that a service gets: raw spans of the caller's, copied."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.config.load import loads
from gwproxy.snapshot.compile import compile
from tests.snapshot.tables import fields_of


def served(asked: str, path: str, **keys: str) -> str:
    """What the service is asked for when a caller asks `asked` of a route with these keys."""
    more = "\n".join(f'{name} = "{value}"' for name, value in keys.items())
    text = f'[services.s]\nurl = "http://127.0.0.1:1"\n[[routes]]\npath = "{path}"\nservice = "s"\n{more}'
    route, raw = compile(loads(text)).router.match(b"", b"GET", asked.encode(), fields_of())
    return route.make_path(asked.encode(), raw).decode()


@pytest.mark.parametrize(
    ("path", "service_path", "asked", "got"),
    [
        ("/x", "/y", "/x", "/y"),
        ("/x", "/", "/x", "/"),
        ("/x", "/y/", "/x", "/y/"),
        ("/x/:id", "/y/:id", "/x/7", "/y/7"),
        ("/x/:id", "/:id", "/x/7", "/7"),
        ("/x/:id", "/y/:id/z", "/x/7", "/y/7/z"),
        ("/x/:id", "/y/:id/", "/x/7", "/y/7/"),
        ("/x/:id", "/:id/:id", "/x/7", "/7/7"),
        ("/:a/:b", "/:b/-/:a", "/1/2", "/2/-/1"),
        ("/:a/*", "/y/:a/*", "/1/2/3", "/y/1/2/3"),
        ("/:a/*", "/*", "/1/2/3", "/2/3"),
        ("/:a/*", "/:a", "/1/2/3", "/1"),
        ("/x/*", "/y", "/x/2/3", "/y"),
        ("/x/*", "/y/*", "/x", "/y"),
        ("/x/*", "/y/*", "/x/", "/y/"),
        ("/x/*", "/y/*", "/x//2", "/y//2"),
        ("/x/*", "/*", "/x", "/"),
        ("/x/*", "/*", "/x/", "/"),
        ("/*", "/y/*", "/", "/y/"),
        ("/*", "/y/*", "/a/", "/y/a/"),
        ("/x/:id", "/y/:id", "/x/%41%20%c3", "/y/%41%20%c3"),
        ("/x/*", "/y/*", "/x/%7e/;b=%3b/", "/y/%7e/;b=%3b/"),
    ],
)
def test_service_path_is_filled(path, service_path, asked, got):
    assert served(asked, path, service_path=service_path) == got


@pytest.mark.parametrize(
    ("path", "prefix", "asked", "got"),
    [
        ("/api/x", "/api", "/api/x", "/x"),
        ("/api/v1/:id", "/api/v1", "/api/v1/7", "/7"),
        ("/api/*", "/api", "/api", "/"),
        ("/api/*", "/api", "/api/", "/"),
        ("/api/*", "/api", "/api/x/", "/x/"),
        ("/api/*", "/api/", "/api/x", "/x"),
        ("/api/*", "/", "/api/x", "/api/x"),
        ("/api/*", "/api", "/%61pi/%78", "/%78"),
        ("/api/*", "/api", "/api//x", "//x"),
    ],
)
def test_prefix_is_stripped_by_whole_segments(path, prefix, asked, got):
    assert served(asked, path, strip_prefix=prefix) == got


def test_path_crosses_unchanged_without_either():
    for asked in ("/a/%41//;x", "/a", "/a/"):
        assert served(asked, "/a/*") == asked
        assert served(asked, "/a/*", service_path="/a/*") == asked


spans = st.lists(st.sampled_from(["a", "%41", "b;c", "~", ":x", "*"]), max_size=4)


@settings(max_examples=150, deadline=None)
@given(spans, spans, st.sampled_from(["/s", "/s/t", ""]))
def test_filled_rest_never_doubles_a_slash_nor_leaves_a_star_of_its_own(before, rest, prefix):
    path = "".join(f"/:p{n}" for n in range(len(before))) + "/x/*"
    asked = "".join(f"/{span}" for span in before) + "/x" + "".join(f"/{span}" for span in rest)
    got = served(asked, path, service_path=prefix + "/*")
    assert got == (prefix + "".join(f"/{span}" for span in rest) or "/")
    assert "//" not in got
