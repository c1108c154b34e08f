"""Content-Digest: the body is the one its sender had, or it is not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gwproxy.auth.signatures.digest import ContentDigest
from gwproxy.auth.signatures.structured import Malformed
from tests.support.signing import content_digest

ALGORITHMS = st.sampled_from([("sha-256",), ("sha-512",), ("sha-256", "sha-512")])


def matches(value: str, *pieces: bytes) -> bool:
    digest = ContentDigest([value.encode()])
    for piece in pieces:
        digest.feed(piece)
    return digest.matches()


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", b'{"hello": "world"}\n'),
        ("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", b""),
        (
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
            b'{"hello": "world"}',
        ),
    ],
)
def test_examples_of_rfc_9530_and_rfc_9421(value, body):
    assert matches(value, body)
    assert not matches(value, body + b" ")


@given(st.lists(st.binary(max_size=200), max_size=5), ALGORITHMS)
def test_body_matches_in_whatever_pieces_it_comes(pieces, algorithms):
    assert matches(content_digest(b"".join(pieces), algorithms), *pieces)


@given(st.binary(max_size=50), st.binary(max_size=50), ALGORITHMS)
def test_another_body_does_not_match(body, other, algorithms):
    assume(body != other)
    assert not matches(content_digest(body, algorithms), other)


def test_every_known_digest_must_match():
    right, wrong = content_digest(b"a", ("sha-256",)), content_digest(b"b", ("sha-512",))
    assert not matches(f"{right}, {wrong}", b"a")
    assert not matches(f"{wrong}, {right}", b"a")


def test_digests_of_several_lines_count():
    wrong = ContentDigest([content_digest(b"a").encode(), content_digest(b"b", ("sha-512",)).encode()])
    wrong.feed(b"a")
    assert not wrong.matches()


def test_unknown_and_broken_algorithms_are_passed_over():
    assert matches(f"md5=:AAAA:, unixsum=7, {content_digest(b'a')}", b"a")


def test_views_of_a_buffer_can_be_fed():
    digest = ContentDigest([content_digest(b"abc").encode()])
    digest.feed(memoryview(b"xabc")[1:3])
    digest.feed(bytearray(b"c"))
    assert digest.matches()


SHA256 = content_digest(b"")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((), "neither sha-256 nor sha-512"),
        (("md5=:AAAA:",), "neither sha-256 nor sha-512"),
        ((hashlib.sha256(b"").hexdigest(),), "neither sha-256 nor sha-512"),
        (("sha-256=" + hashlib.sha256(b"").hexdigest(),), "plain sequence of bytes"),
        (("sha-256",), "plain sequence of bytes"),
        ((f"sha-256=({SHA256[8:]})",), "plain sequence of bytes"),
        ((SHA256 + ";a=1",), "plain sequence of bytes"),
        (("sha-256=:AAAA:",), "3 bytes instead of 32"),
        (("sha-512=" + SHA256[8:],), "32 bytes instead of 64"),
        ((SHA256, SHA256), "came before"),
        (("sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",), "no comma"),
        (("SHA-256=" + SHA256[8:],), "no key"),
    ],
)
def test_field_that_tells_no_digest_is_malformed(values, why):
    with pytest.raises(Malformed, match=why):
        ContentDigest([value.encode() for value in values])
