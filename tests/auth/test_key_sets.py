"""Sets of keys: which is found for a token, and what a set must not be."""

from __future__ import annotations

import json

import pytest

from gwproxy.auth.keys.key_set import MOST_BYTES, MOST_CANDIDATES, MOST_KEYS, KeySet
from gwproxy.auth.keys.pem import from_text
from tests.support.issuing import ALL, SECRET, jwk, key_set, oct_jwk, public_pem


def parsed(*keys: object, secrets: bool = False) -> KeySet:
    return KeySet.parse(key_set(*keys), ALL, secrets=secrets)


def kids(keys: KeySet, kid: str | None, alg: str) -> list[str | None]:
    return [key.kid for key in keys.find(kid, alg)]


# -- finding


def test_key_is_found_by_kid_and_algorithm() -> None:
    keys = parsed(jwk("RSA", kid="a"), jwk("P-256", kid="b"))
    assert kids(keys, "a", "RS256") == ["a"]
    assert kids(keys, "a", "PS512") == ["a"]
    assert kids(keys, "b", "ES256") == ["b"]
    assert kids(keys, "a", "ES256") == []
    assert kids(keys, "b", "RS256") == []
    assert kids(keys, "a", "none") == []


@pytest.mark.parametrize("kid", ["A", "a ", "", "a\0", "../a", "a%", "а"])
def test_kid_is_compared_to_the_letter(kid: str) -> None:
    keys = parsed(jwk("RSA", kid="a"))
    assert keys.find(kid, "RS256") == ()
    assert not keys.knows(kid)
    assert keys.knows("a")
    assert keys.knows(None)


def test_token_without_kid_is_tried_with_all_that_fit() -> None:
    keys = parsed(jwk("RSA", kid="a"), jwk("RSA", 1, kid="b"), jwk("P-256", kid="c"))
    assert kids(keys, None, "RS256") == ["a", "b"]
    assert kids(keys, None, "ES256") == ["c"]
    assert kids(keys, None, "EdDSA") == []


def test_token_without_kid_is_not_tried_with_very_many() -> None:
    curves = [jwk("P-256", which, kid=str(which)) for which in range(MOST_CANDIDATES + 1)]
    assert len(parsed(*curves[:-1]).find(None, "ES256")) == MOST_CANDIDATES
    assert parsed(*curves).find(None, "ES256") == ()
    assert kids(parsed(*curves), "4", "ES256") == ["4"]


def test_set_that_names_no_key_does_not_look_at_the_kid() -> None:
    for keys in (parsed(jwk("RSA"), jwk("P-256")), KeySet([from_text(public_pem("RSA"), ALL)])):
        assert keys.find("whatever", "RS256") == keys.find(None, "RS256") != ()
        assert keys.knows("whatever")


def test_nameless_keys_of_one_algorithm_are_no_ambiguity() -> None:
    keys = parsed(jwk("RSA"), jwk("RSA", 1))
    assert len(keys.find(None, "RS256")) == 2
    assert keys.refused == ()


def test_nameless_key_beside_named_ones_is_for_tokens_without_kid_only() -> None:
    keys = parsed(jwk("RSA"), jwk("P-256", kid="b"))
    assert keys.find("a", "RS256") == ()
    assert kids(keys, None, "RS256") == [None]


# -- what is left out


def test_unusable_keys_are_left_out_and_told() -> None:
    keys = parsed(jwk("RSA", kid="old", use="enc"), 7, jwk("P-256", kid="new"), oct_jwk(kid="s"))
    assert [key.kid for key in keys.keys] == ["new"]
    assert keys.refused == (
        "keys[0] (kid 'old'): its use is 'enc' and not sig",
        "keys[1]: it is not an object",
        "keys[3] (kid 's'): it is a shared secret (kty oct), which is not to be had at an address",
    )


def test_secret_in_a_file_is_used() -> None:
    keys = parsed(oct_jwk(kid="s"), jwk("P-256", kid="p"), secrets=True)
    assert kids(keys, "s", "HS256") == ["s"]
    assert kids(keys, "s", "ES256") == []
    assert kids(keys, "p", "HS256") == []


def test_one_kid_may_stand_for_keys_of_different_algorithms() -> None:
    keys = parsed(jwk("RSA", kid="a", alg="RS256"), jwk("P-256", kid="a"), jwk("RSA", 1, kid="a", alg="PS256"))
    assert keys.refused == ()
    found = {alg: keys.find("a", alg)[0] for alg in ("RS256", "ES256", "PS256")}
    assert len({*found.values()}) == 3
    assert all(alg in key.algorithms for alg, key in found.items())


def test_keys_of_one_kid_that_only_trying_would_tell_apart_are_all_left_out() -> None:
    keys = parsed(jwk("RSA", kid="a"), jwk("P-256", kid="b"), jwk("RSA", 1, kid="a", alg="PS256"))
    assert [key.kid for key in keys.keys] == ["b"]
    assert keys.refused == ("RSA key (kid 'a'): another key has the same kid and alg",) * 2


def test_key_that_is_listed_twice_is_one_key() -> None:
    keys = parsed(jwk("P-256", kid="a"), jwk("P-256", kid="a", use="sig"))
    assert kids(keys, "a", "ES256") == ["a"]
    assert keys.refused == ()


# -- what is no set


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "^it is not JSON$"),
        (b"<html>", "^it is not JSON$"),
        (b"\xff{}", "^it is not JSON$"),
        (b"\xef\xbb\xbf{}", "^it is not JSON$"),
        (b"[" * 200_000, "too many levels"),
        (b'{"keys":' * 30_000, "too many levels"),
        (b"{}", "not a key set"),
        (b"[]", "not a key set"),
        (b'{"keys":{}}', "not a key set"),
        (b'{"keys":[],"a":NaN}', "a number that JSON does not have"),
        (b'{"keys":[],"keys":[]}', "a member name twice"),
        (b'{"keys":[{"kty":"oct","kty":"RSA"}]}', "a member name twice"),
        (b'{"keys":[]}', "^the set has no usable key$"),
        (b'{"keys":[1,2,3,4,5]}', r"no usable key: keys\[0\]: it is not an object; .* and 2 more$"),
        (key_set(*range(MOST_KEYS + 1)), "the set has 101 keys, and 100 are the most"),
        (b" " * (MOST_BYTES + 1), "the set is longer than 262144 bytes"),
    ],
)
def test_what_cannot_be_believed_is_no_set(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KeySet.parse(text, ALL)


def test_number_of_very_many_digits_is_read_at_once() -> None:
    text = b'{"a":' + b"9" * 200_000 + b"," + key_set(jwk("P-256"))[1:]
    assert KeySet.parse(text, ALL).find(None, "ES256")


def test_set_of_the_largest_size_is_read() -> None:
    text = json.dumps({"keys": [jwk("P-256", kid=str(n)) | {"kid": str(n)} for n in range(MOST_KEYS)]}).encode()
    assert len(KeySet.parse(text.ljust(MOST_BYTES), ALL).keys) == MOST_KEYS


def test_sets_are_equal_if_they_believe_the_same() -> None:
    a, b = jwk("RSA", kid="a"), jwk("P-256", kid="b")
    assert parsed(a, b) == parsed({**b, "use": "sig"}, a)
    assert hash(parsed(a, b)) == hash(parsed(b, a))
    assert parsed(a, b) != parsed(a)
    assert parsed(a) != parsed({**a, "kid": "c"})
    assert parsed(a) != parsed({**a, "alg": "RS256"})
    assert parsed(a) != parsed(jwk("RSA", 1, kid="a"))
    assert SECRET.decode() not in repr(parsed(oct_jwk(), secrets=True))
