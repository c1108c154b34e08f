"""Requests signed by an independent signer are believed; changed in any covered place, they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gwproxy.auth.signatures.unverified import Unverified
from gwproxy.errors import GatewayError
from tests.auth.reading import NOW, key_of, seen, verifier_for
from tests.support.signing import (
    Call,
    Signer,
    base_of,
    component_value,
    ed25519_signer,
    hmac_signer,
    p256_signer,
)

SIGNERS = (hmac_signer("Shared Key"), ed25519_signer(), p256_signer())
VERIFIER = verifier_for(*SIGNERS, max_age_s=1e9, leeway_s=1e9)
METHODS = st.sampled_from(["GET", "POST", "PATCH", "x-own"])
HOSTS = st.from_regex(r"[a-zA-Z][a-zA-Z0-9.-]{0,10}(:80|:443|:8080)?", fullmatch=True)
PATHS = st.from_regex(r"(/[a-zA-Z0-9._~%:@!$'()*+,;=-]{0,5}){1,3}", fullmatch=True)
QUERIES = st.sampled_from(["?", "?a=Xx&b=%2F", "?A&b=a+b&a="]) | st.from_regex(
    r"(\?([a-c]{1,2}=([a-zA-Z0-9~*+/-]|%[0-7][0-9a-fA-F]){0,3}&?){0,3})?", fullmatch=True
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=12)
FIELDS = st.lists(st.tuples(st.sampled_from(["Date", "X-A", "x-a", "X-B"]), VALUES), max_size=4).map(tuple)
CALLS = st.builds(
    lambda method, scheme, host, path, query, fields, body: Call(
        method, f"{scheme}://{host}{path}{query}", fields, body
    ),
    METHODS, st.sampled_from(["http", "https"]), HOSTS, PATHS, QUERIES, FIELDS, st.sampled_from([b"", b"{}"]),
)  # fmt: skip
REFUSED_BY_WIRE = "refused before it was verified"
DERIVED = ("@method", "@target-uri", "@authority", "@scheme", "@path", "@query", "@request-target")


@st.composite
def signed(draw: st.DrawFn) -> tuple[Signer, Call, Call, tuple[str, ...]]:
    """A signer, its call before and after it was signed, and what was covered."""
    call = draw(CALLS)
    names = sorted({name.lower() for name, _ in call.lines()})
    fields = [form for name in names for form in (f'"{name}"', f'"{name}";bs')]
    params = [f'"@query-param";name="{name}"' for name in ("a", "b", "ab") if has_one(call, name)]
    rest = draw(st.lists(st.sampled_from([*DERIVED[1:], *fields, *params]), unique=True, max_size=8))
    covered = tuple(draw(st.permutations(["@method", *rest])))
    signer = draw(st.sampled_from(SIGNERS))
    return signer, call, signer.sign(call, covered, created=NOW), covered


def has_one(call: Call, name: str) -> bool:
    try:
        component_value(call, f'"@query-param";name="{name}"')
    except ValueError:
        return False
    return True


@given(signed())
def test_whatever_is_signed_is_believed(case):
    signer, _, call, covered = case
    found = VERIFIER.examine(seen(call), NOW)
    assert found.keyid == signer.keyid
    assert found.covered == {name.strip('"').removesuffix('";bs') for name in covered if "name=" not in name}


@settings(max_examples=300)
@given(signed(), st.data())
def test_a_change_of_anything_covered_is_refused(case, data):
    signer, before, call, covered = case
    changed = replace(before, **data.draw(changes(before)))
    told_input = dict(call.fields)["Signature-Input"].partition("=")[2]
    told = [field for field in call.fields if field[0].startswith("Signature")]
    try:
        same = base_of(changed, covered, told_input) == base_of(before, covered, told_input)
    except (KeyError, ValueError):
        same = False
    if same:
        assert believed(changed.told(*told)) in (signer.keyid, REFUSED_BY_WIRE)
    else:
        assert believed(changed.told(*told)) in (None, REFUSED_BY_WIRE)


def believed(call: Call) -> str | None:
    """Who the call is believed to be from; None where it is refused by the verifier."""
    try:
        return VERIFIER.verify(seen(call), NOW)
    except GatewayError:
        return REFUSED_BY_WIRE
    except Unverified:
        return None


def changes(call: Call) -> st.SearchStrategy[dict[str, object]]:
    """One character replaced, taken away or put in, in one place; or two lines swapped, or one lost or repeated."""
    scheme, _, rest = call.url.partition("://")
    ways = [
        edited(call.method, "GETPx-").filter(bool).map(lambda text: {"method": text}),
        edited(rest, "aAbB/?&=+%20:-.~").filter(bool).map(lambda text: {"url": f"{scheme}://{text}"}),
        st.just({"url": ("https" if scheme == "http" else "http") + "://" + rest}),
        st.just({"body": b"" if call.body else b"{}"}),
    ]
    for at, (name, value) in enumerate(call.fields):
        ways.append(edited(value, "a, \t:ÿ").map(lambda text, at=at, name=name: _with(call, at, ((name, text),))))
        ways.append(st.just(_with(call, at, ())))
        ways.append(st.just(_with(call, at, ((name, value), (name, value)))))
        ways.append(st.just({"fields": (*call.fields[at:], *call.fields[:at])}))
    return st.one_of(ways)


def _with(call: Call, at: int, lines: tuple[tuple[str, str], ...]) -> dict[str, object]:
    return {"fields": (*call.fields[:at], *lines, *call.fields[at + 1 :])}


@st.composite
def edited(draw: st.DrawFn, text: str, alphabet: str) -> str:
    at = draw(st.integers(0, len(text)))
    kept = draw(st.sampled_from([0, 1]))
    changed = text[:at] + draw(st.sampled_from(["", *alphabet])) + text[at + kept :]
    assume(changed != text)
    return changed


@settings(max_examples=200)
@given(signed(), st.sampled_from(["Signature-Input", "Signature"]), st.data())
def test_a_change_of_the_signature_or_its_input_is_refused(case, name, data):
    _, _, call, _ = case
    value = dict(call.fields)[name]
    at = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
    assume(other != value[at])
    fields = tuple(
        (known, value[:at] + other + value[at + 1 :]) if known == name else (known, told)
        for known, told in call.fields
    )
    assert believed(replace(call, fields=fields)) is None


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.algorithm)
def test_every_bit_of_a_signature_counts(signer):
    base = b"base"
    signature = signer.bytes_for(base)
    key = key_of(signer)
    for bit in range(len(signature) * 8):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not key.verifies(base, bytes(flipped))
