"""The router against the rules of routing written down a second time, and the rules one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from tests.snapshot.tables import (
    Asked,
    Row,
    answered,
    asks,
    expected,
    fields_of,
    rows,
    snapshot,
    without_ties,
)

METHODS = ["GET", "POST", "PUT", "HEAD"]


@settings(max_examples=250, deadline=None)
@given(rows(METHODS), st.lists(asks(METHODS), min_size=1, max_size=12))
def test_router_decides_as_the_rules_say(found, questions):
    table = without_ties(found)
    compiled = snapshot(table)
    for asked in questions:
        assert answered(compiled, asked) == expected(table, asked), asked


@settings(max_examples=100, deadline=None)
@given(st.data(), rows(METHODS), st.lists(asks(METHODS), min_size=1, max_size=8))
def test_order_in_the_file_does_not_matter(data, found, questions):
    table = without_ties(found)
    one, other = snapshot(table), snapshot(data.draw(st.permutations(table)))
    for asked in questions:
        assert answered(one, asked) == answered(other, asked), asked


@settings(max_examples=100, deadline=None)
@given(rows(METHODS), st.lists(asks(METHODS), min_size=1, max_size=8))
def test_ignored_trailing_slash_makes_no_difference(found, questions):
    table = [row for row in without_ties(found) if not row.path.endswith("/") and "//" not in row.path]
    if not table:
        return
    compiled = snapshot(table, 'trailing_slash = "ignore"')
    for asked in questions:
        bare = asked.path.removesuffix("/") or "/"
        for path in {bare, bare.rstrip("/") + "/" if bare != "/" else "/"}:
            again = Asked(path, asked.method, asked.host, asked.headers)
            assert answered(compiled, again) == expected(table, again, ignore_slash=True), again


# -- the rules, one by one

SHADOWS = [
    Row("search", "/users/search"), Row("one", "/users/:id"), Row("below", "/users/*"), Row("deep", "/users/:id/files"),
    Row("all", "/*"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name"),
    [("/users/search", "search"), ("/users/7", "one"), ("/users/7/x", "below"), ("/users", "below"), ("/users/", "below"),  # noqa: E501
     ("/users/search/files", "deep"), ("/users/search/x", "below"), ("/other", "all"), ("/", "all"), ("/usersx", "all")],  # noqa: E501
)  # fmt: skip
def test_static_wins_over_param_over_rest_at_every_segment(path, name):
    assert answered(snapshot(SHADOWS), Asked(path)) == name
    assert answered(snapshot(SHADOWS[::-1]), Asked(path)) == name


def test_literals_are_compared_decoded():
    table = snapshot([Row("plain", "/caf%C3%A9"), Row("other", "/:x")])
    for path in ("/caf%c3%a9", "/%63af%C3%a9"):
        assert answered(table, Asked(path)) == "plain"
    assert answered(table, Asked("/cafe")) == "other"


def test_letters_case_matters_in_a_path():
    assert answered(snapshot([Row("x", "/Ab")]), Asked("/ab")) == "not_found"


def test_empty_segment_is_no_value_of_a_param():
    table = snapshot([Row("one", "/a/:x"), Row("two", "/a/:x/b")])
    assert answered(table, Asked("/a/")) == "not_found"
    assert answered(table, Asked("/a//b")) == "not_found"


def test_rest_matches_its_own_root_and_all_below_it():
    table = snapshot([Row("rest", "/x/*")])
    assert [answered(table, Asked(path)) for path in ("/x", "/x/", "/x/y", "/x/y//z/")] == ["rest"] * 4
    assert [answered(table, Asked(path)) for path in ("/", "/xy", "/y/x")] == ["not_found"] * 3


def test_path_itself_wins_over_the_rest_below_it():
    table = [Row("own", "/x"), Row("rest", "/x/*"), Row("all", "/*")]
    for rows_of in (table, table[::-1]):
        assert [answered(snapshot(rows_of), Asked(path)) for path in ("/x", "/x/", "/")] == ["own", "rest", "all"]


def test_wrong_method_names_those_of_every_route_that_would_have_matched():
    table = [Row("get", "/a/b", ("GET",)), Row("put", "/a/:x", ("PUT",)), Row("del", "/a/*", ("DELETE",)),
             Row("other", "/b/*", ("POST",))]  # fmt: skip
    assert answered(snapshot(table), Asked("/a/b", "POST")) == "method_not_allowed: DELETE, GET, HEAD, PUT"
    assert answered(snapshot(table), Asked("/a/b", "DELETE")) == "del"


def test_route_whose_conditions_do_not_hold_has_no_part_in_a_405():
    table = snapshot([Row("new", "/a", ("PUT",), headers=(("X-V", "2"),)), Row("old", "/a", ("GET",))])
    assert answered(table, Asked("/a", "POST")) == "method_not_allowed: GET, HEAD"
    assert (
        answered(table, Asked("/a", "POST", headers=(("X-V", "2"),))) == "method_not_allowed: GET, HEAD, PUT"
    )
    assert answered(snapshot([Row("new", "/a", headers=(("X-V", "2"),))]), Asked("/a")) == "not_found"


def test_more_conditions_win_and_each_must_hold():
    one, two = ("X-V", "2"), ("X-W", "1")
    table = snapshot(
        [Row("none", "/a"), Row("one", "/a", headers=(one,)), Row("both", "/a", headers=(one, two))]
    )
    assert answered(table, Asked("/a")) == "none"
    assert answered(table, Asked("/a", headers=(("X-V", "3"),))) == "none"
    assert answered(table, Asked("/a", headers=(one,))) == "one"
    assert answered(table, Asked("/a", headers=(two, one))) == "both"
    assert answered(table, Asked("/a", headers=(("x-v", "1"), ("X-V", "2")))) == "one"


def test_conditions_give_way_to_a_worse_pattern():
    table = snapshot([Row("new", "/a/b", headers=(("X-V", "2"),)), Row("old", "/a/:x")])
    assert answered(table, Asked("/a/b")) == "old"


def test_named_method_wins_over_any_method():
    table = [Row("any", "/a"), Row("get", "/a", ("GET",))]
    for rows_ in (table, table[::-1]):
        assert answered(snapshot(rows_), Asked("/a")) == "get"
        assert answered(snapshot(rows_), Asked("/a", "HEAD")) == "get"
        assert answered(snapshot(rows_), Asked("/a", "POST")) == "any"


def test_head_is_answered_by_get_unless_a_route_of_its_own_does():
    get, head = Row("get", "/a", ("GET",)), Row("head", "/a", ("HEAD",))
    assert answered(snapshot([get]), Asked("/a", "HEAD")) == "get"
    for table in ([get, head], [head, get]):
        assert answered(snapshot(table), Asked("/a", "HEAD")) == "head"
        assert answered(snapshot(table), Asked("/a")) == "get"


def test_head_goes_to_the_get_whose_conditions_hold():
    plain, new = Row("plain", "/a", ("GET",)), Row("new", "/a", ("GET",), headers=(("X-V", "2"),))
    for table in ([plain, new], [new, plain]):
        assert answered(snapshot(table), Asked("/a", "HEAD", headers=(("X-V", "2"),))) == "new"


def test_hosts_go_exact_then_the_longest_wildcard_and_never_fall_through():
    table = snapshot([
        Row("any", "/*"), Row("exact", "/a", hosts=("x.example.com",)), Row("wild", "/a", hosts=("*.example.com",)),
        Row("wilder", "/a", hosts=("*.b.example.com",)),
    ])  # fmt: skip
    asked = {"x.example.com": "exact", "y.example.com": "wild", "x.b.example.com": "wilder", "b.example.com": "wild",
             "example.com": "any", "yexample.com": "any", "": "any"}  # fmt: skip
    assert {host: answered(table, Asked("/a", host=host)) for host in asked} == asked
    assert answered(table, Asked("/b", host="x.example.com")) == "not_found"
    assert answered(table, Asked("/b", host="y.example.com")) == "not_found"


def test_host_of_a_route_is_compared_in_lower_case():
    assert (
        answered(snapshot([Row("x", "/a", hosts=("API.Example.com",))]), Asked("/a", host="api.example.com"))
        == "x"
    )


def test_encoded_slash_is_for_the_winning_route_to_allow():
    table = snapshot([Row("closed", "/a/:x"), Row("open", "/b/:x", pass_slashes=True)])
    assert answered(table, Asked("/a/1%2F2")) == "ambiguous_path"
    assert answered(table, Asked("/b/1%2F2")) == "open"
    assert answered(table, Asked("/c/1%2F2")) == "ambiguous_path"


def test_raw_segments_come_with_the_route():
    _, raw = snapshot([Row("x", "/a/:x/*")]).router.match(b"", b"GET", b"/%61/b%20/c//%7e", fields_of())
    assert raw == [b"%61", b"b%20", b"c", b"", b"%7e"]


@pytest.mark.parametrize("gateway", ["", 'trailing_slash = "ignore"'])
def test_asterisk_has_no_segments(gateway):
    """OPTIONS * (RFC 9112 section 3.2.4): nothing but the rest of everything can match it."""
    assert answered(snapshot([Row("x", "/:x")], gateway), Asked("*", "OPTIONS")) == "not_found"
    assert answered(snapshot([Row("all", "/*")], gateway), Asked("*", "OPTIONS")) == "all"


@pytest.mark.parametrize("path", ["/x/../y", "/%2e%2e/x", "/%00"])
def test_ambiguous_path_is_refused_before_any_route(path):
    with pytest.raises(GatewayError) as refusal:
        snapshot([Row("all", "/*")]).router.match(b"", b"GET", path.encode(), fields_of())
    assert refusal.value.code == "ambiguous_path"


# -- trailing_slash = "ignore"

IGNORE = 'trailing_slash = "ignore"'


def test_trailing_slash_is_significant_unless_ignored():
    one = [Row("x", "/x"), Row("y", "/y/")]
    assert answered(snapshot(one), Asked("/x/")) == "not_found"
    assert answered(snapshot(one), Asked("/y")) == "not_found"
    for path, name in {"/x": "x", "/x/": "x", "/y": "y", "/y/": "y"}.items():
        assert answered(snapshot(one, IGNORE), Asked(path)) == name
    assert answered(snapshot(one, IGNORE), Asked("/x//")) == "not_found"


def test_ignored_slash_does_not_change_which_route_is_best():
    table = snapshot([Row("exact", "/x"), Row("below", "/x/*"), Row("one", "/:y")], IGNORE)
    assert answered(table, Asked("/x")) == "exact"
    assert answered(table, Asked("/x/")) == "exact"


def test_405_with_an_ignored_slash_names_all_methods():
    table = snapshot([Row("get", "/x", ("GET",)), Row("put", "/:y", ("PUT",))], IGNORE)
    assert answered(table, Asked("/x/", "POST")) == "method_not_allowed: GET, HEAD, PUT"
