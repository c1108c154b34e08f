"""One view of the path: raw spans that rejoin, segments compared decoded, and two readings refused."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gwproxy.errors import GatewayError
from gwproxy.wire.path import decode, split

paths = st.lists(
    st.sampled_from(["/", "//", "a", "B", ".", "..", "%2e", "%2E", "%41", "%61", "%2f", "%5C", "\\", "%", "%4", "%zz", "%00", "%1f",  # noqa: E501
                     "%7F", "%252e", ";", ";x=1", "%3b", "~", "*", ":id", "%c3%bc", "[", "{", "...", ".a"]),
    max_size=8,
).map(lambda parts: ("/" + "".join(parts)).encode())  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(paths | st.binary(max_size=12).map(lambda raw: b"/" + raw))
def test_path_is_refused_or_its_spans_rejoin_to_it(path):
    try:
        raw, decoded, slashes = split(path)
    except GatewayError as error:
        assert error.code == "ambiguous_path"  # noqa: PT017
        assert not error.close  # noqa: PT017
        return
    assert b"/" + b"/".join(raw) == path
    assert decoded == [unquote_to_bytes(span) for span in raw]
    assert slashes == any(b"/" in segment or b"\\" in segment for segment in decoded)


def dotted(segment: bytes) -> bool:
    pieces = unquote_to_bytes(segment).replace(b"\\", b"/").split(b"/")
    return any(piece.split(b";")[0] in (b".", b"..") for piece in pieces)


@settings(max_examples=500, deadline=None)
@given(paths)
def test_path_is_refused_for_its_reasons_and_no_other(path):
    forms = path.split(b"%")[1:]
    whole = all(len(form) >= 2 and all(c in b"0123456789abcdefABCDEF" for c in form[:2]) for form in forms)
    codes = [int(form[:2], 16) for form in forms] if whole else []
    ambiguous = (
        not whole
        or any(code < 0x20 or code == 0x7F for code in codes)
        or any(dotted(segment) for segment in path.split(b"/"))
    )
    try:
        split(path)
    except GatewayError:
        assert ambiguous
    else:
        assert not ambiguous


@settings(max_examples=300, deadline=None)
@given(st.text("aB1-._~!$&'()*+,=:@", max_size=6))
def test_segment_is_the_same_however_much_of_it_is_encoded(text):
    assume(text not in (".", ".."))
    plain = text.encode()
    encoded = b"".join(b"%%%02x" % c for c in plain)
    assert split(b"/" + plain)[1] == split(b"/" + encoded)[1] == [plain]


REFUSED = {
    "broken percent": [b"/%", b"/a%2", b"/%zz", b"/%%41", b"/a/%u0041"],
    "control": [b"/%00", b"/a%1f", b"/%0d%0a", b"/%7F"],
    "dots": [b"/.", b"/..", b"/a/../b", b"/a/./b", b"/a/..", b"/../a"],
    "dots encoded": [b"/%2e", b"/%2E%2e/a", b"/.%2e/a", b"/a/%2e./b"],
    "dots with parameters": [b"/..;x/a", b"/a/.;/b", b"/..%3bx/a", b"/%2e%2e;x=y/"],
    "dots behind an encoded slash": [b"/a%2f..%2fb", b"/..%2fa", b"/a%5c..%5cb", b"/a\\..\\b", b"/..\\a"],
}


@pytest.mark.parametrize("path", [path for group in REFUSED.values() for path in group], ids=repr)
def test_path_with_two_readings_is_refused(path):
    with pytest.raises(GatewayError) as refusal:
        split(path)
    assert refusal.value.code == "ambiguous_path"


@pytest.mark.parametrize(
    "path",
    [
        b"/...",
        b"/.well-known/x",
        b"/a..b",
        b"/a.",
        b"/a/%252e%252e/b",
        b"/a;..",
        b"/%c0%ae",
        b"//",
        b"/a//b/",
    ],
    ids=repr,
)
def test_path_with_one_reading_passes(path):
    raw, _, slashes = split(path)
    assert b"/" + b"/".join(raw) == path
    assert not slashes


@pytest.mark.parametrize("path", [b"/a%2Fb", b"/a%2fb", b"/a%5Cb", b"/a\\b"], ids=repr)
def test_encoded_slash_is_told_and_left_to_the_route(path):
    raw, decoded, slashes = split(path)
    assert slashes
    assert raw == [path[1:]]
    assert len(decoded) == 1


def test_percent_forms_are_undone_once():
    assert decode(b"%252e%41%c3%bc") == b"%2eA\xc3\xbc"
