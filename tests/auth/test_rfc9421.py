"""The examples of RFC 9421: its keys and messages (appendix B), and the values of components (section 2)."""

from __future__ import annotations

import base64

import pytest

from gwproxy.auth.signatures.components import Parts, components_of
from gwproxy.auth.signatures.key import SignatureKey
from gwproxy.auth.signatures.policy import Policy
from gwproxy.auth.signatures.request import SignedRequest, signed_request
from gwproxy.auth.signatures.structured import InnerList, parse_dictionary
from gwproxy.auth.signatures.unverified import Unverified
from gwproxy.auth.signatures.verifier import Verifier
from tests.auth.reading import head_of

CREATED = 1618884473

# Appendices B.1.3, B.1.4 and B.1.5.
P256 = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----"""
ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----"""
SHARED = "base64:uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

KEYS = (
    SignatureKey.read("test-key-ecc-p256", "ecdsa-p256-sha256", P256),
    SignatureKey.read("test-key-ed25519", "ed25519", ED25519),
    SignatureKey.read("test-shared-secret", "hmac-sha256", SHARED),
)

DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
CERTIFICATE = (
    ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVk"
    "aWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8Y"
    "nXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNV"
    "HSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYm"
    "RjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5Xa"
    "rmPk0wmuydBVoU4hBVZ1yhk=:"
)


def head(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


def message(raw: bytes, scheme: bytes = b"https") -> SignedRequest:
    read = head_of(raw)
    return signed_request(read, scheme, read.authority)


def request_b2(signature_input: str, signature: str, host: str = "example.com", *more: str) -> SignedRequest:
    return message(
        head(
            "POST /foo?param=Value&Pet=dog HTTP/1.1",
            f"Host: {host}",
            "Date: Tue, 20 Apr 2021 02:07:55 GMT",
            "Content-Type: application/json",
            f"Content-Digest: {DIGEST}",
            "Content-Length: 18",
            *more,
            f"Signature-Input: {signature_input}",
            f"Signature: {signature}",
        )
    )


def verified(request: SignedRequest, *required: str) -> str:
    return Verifier(KEYS, Policy(required=required, max_age_s=60.0)).verify(request, CREATED + 1.0)


B25 = (
    'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
)
B26 = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
)
TTRP = (
    'ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"',
    "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:",
)


def test_b_2_5_hmac_sha256():
    assert verified(request_b2(*B25), "date", "@authority", "content-type") == "test-shared-secret"


def test_b_2_6_ed25519():
    assert verified(request_b2(*B26), "date", "@method", "@path", "content-length") == "test-key-ed25519"


def test_b_3_ecdsa_p256_behind_a_proxy():
    request = request_b2(*TTRP, "service.internal.example", f"Client-Cert: {CERTIFICATE}")
    assert verified(request, "@path", "@query", "@method", "client-cert") == "test-key-ecc-p256"


def test_b_2_4_ecdsa_p256_over_the_base_of_an_answer():
    base = "\n".join(
        (
            '"@status": 200',
            '"content-type": application/json',
            '"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq'
            "4l5aGgfLQ==:",
            '"content-length": 23',
            '"@signature-params": ("@status" "content-type" "content-digest" "content-length")'
            ';created=1618884473;keyid="test-key-ecc-p256"',
        )
    ).encode()
    signature = base64.b64decode(
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
    )
    assert KEYS[0].verifies(base, signature)
    assert not KEYS[0].verifies(base + b" ", signature)


B4 = (
    'Signature-Input: transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"',
    "Signature: transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:",
)
TARGET = "/demo?name1=Value1&Name2=value2"
ACCEPT = ("Accept: application/json", "Accept: */*")
UNHARMED = {
    "as it was": (f"GET {TARGET} HTTP/1.1", "Host: example.org", *ACCEPT),
    "a parameter and a field added": (
        f"GET {TARGET}&param=added HTTP/1.1", "Host: example.org", *ACCEPT, "Accept-Language: en-US,en;q=0.5",
    ),
    "fields combined, another replaced": (
        f"GET {TARGET} HTTP/1.1", "Host: example.org", "Referer: https://developer.example.org/demo",
        "Accept: application/json, */*",
    ),
    "fields in another order": (f"GET {TARGET} HTTP/1.1", *ACCEPT, "Host: example.org"),
}  # fmt: skip
HARMED = {
    "method and authority changed": (f"POST {TARGET} HTTP/1.1", "Host: example.com", *ACCEPT),
    "lines of one field swapped": (f"GET {TARGET} HTTP/1.1", "Host: example.org", *reversed(ACCEPT)),
}


@pytest.mark.parametrize("lines", UNHARMED.values(), ids=UNHARMED)
def test_b_4_transformations_that_leave_the_covered_parts_alone(lines):
    assert verified(message(head(*lines, *B4)), "@method") == "test-key-ed25519"


@pytest.mark.parametrize("lines", HARMED.values(), ids=HARMED)
def test_b_4_transformations_that_break_a_signature(lines):
    with pytest.raises(Unverified, match="not that of"):
        verified(message(head(*lines, *B4)), "@method")


# -- section 2


def base(raw: bytes, covered: str, scheme: bytes = b"https") -> list[str]:
    """The lines of the base over these components, but for the last."""
    inner = parse_dictionary([f"s=({covered})".encode()])["s"]
    assert isinstance(inner, InnerList)
    made = Parts(message(raw, scheme)).base(components_of(inner), inner)
    return made.decode("latin-1").split("\n")[:-1]


FIELDS = head(
    "GET / HTTP/1.1",
    "Host: www.example.com",
    "Date: Tue, 20 Apr 2021 02:07:56 GMT",
    "X-OWS-Header:   Leading and trailing whitespace.   ",
    "Cache-Control: max-age=60",
    "Cache-Control:    must-revalidate",
    "Example-Dict:  a=1,    b=2;x=1;y=2,   c=(a   b   c), d",
    "X-Empty-Header: ",
    "Example-Header: value, with, lots",
    "Example-Header: of, commas",
)


def test_2_1_field_values_are_stripped_and_combined():
    assert base(FIELDS, '"host" "date" "x-ows-header" "cache-control" "x-empty-header"') == [
        '"host": www.example.com',
        '"date": Tue, 20 Apr 2021 02:07:56 GMT',
        '"x-ows-header": Leading and trailing whitespace.',
        '"cache-control": max-age=60, must-revalidate',
        '"x-empty-header": ',
    ]


def test_2_1_2_members_of_dictionaries_are_written_in_one_way():
    covered = ('"example-dict";key="a"', '"example-dict";key="d"', '"example-dict";key="b"', '"example-dict";key="c"')
    assert base(FIELDS, " ".join(covered)) == [
        '"example-dict";key="a": 1',
        '"example-dict";key="d": ?1',
        '"example-dict";key="b": 2;x=1;y=2',
        '"example-dict";key="c": (a b c)',
    ]


def test_2_1_3_lines_of_a_field_kept_apart_as_bytes():
    assert base(FIELDS, '"example-header";bs') == [
        '"example-header";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:'
    ]


@pytest.mark.parametrize(
    ("target", "host", "component", "value"),
    [
        ("/path?param=value", "www.example.com", "@method", "POST"),
        ("/path?param=value", "www.example.com", "@target-uri", "https://www.example.com/path?param=value"),
        ("/path?param=value", "www.example.com", "@authority", "www.example.com"),
        ("/path?param=value", "WWW.Example.com:443", "@authority", "www.example.com"),
        ("/path?param=value", "www.example.com:8443", "@authority", "www.example.com:8443"),
        ("/path?param=value", "www.example.com:", "@authority", "www.example.com"),
        ("/path?param=value", "[::1]", "@authority", "[::1]"),
        ("/path?param=value", "[::1]:443", "@authority", "[::1]"),
        ("/path?param=value", "www.example.com", "@scheme", "https"),
        ("/path?param=value", "www.example.com", "@request-target", "/path?param=value"),
        ("/path?param=value", "www.example.com", "@path", "/path"),
        ("/path%2Fa?", "www.example.com", "@path", "/path%2Fa"),
        ("/path?param=value&foo=bar&baz=bat%2Dman", "e.com", "@query", "?param=value&foo=bar&baz=bat%2Dman"),
        ("/path?queryString", "www.example.com", "@query", "?queryString"),
        ("/path?", "www.example.com", "@query", "?"),
        ("/path", "www.example.com", "@query", "?"),
        ("https://www.example.com", "www.example.com", "@path", "/"),
    ],
)
def test_2_2_derived_components(target, host, component, value):
    raw = head(f"POST {target} HTTP/1.1", f"Host: {host}")
    assert base(raw, f'"{component}"') == [f'"{component}": {value}']


QUERY = head(
    "GET /parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20"
    "=something&qux=&tilde=~&low=%c3%a7&bytes=%FF&a=1&a=2&&=noname HTTP/1.1",
    "Host: www.example.com",
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("var", "this%20is%20a%20big%0Amultiline%20value"),
        ("bar", "with%20plus%20whitespace"),
        ("fa%C3%A7ade%22%3A%20", "something"),
        ("qux", ""),
        ("tilde", "%7E"),
        ("low", "%C3%A7"),
        ("bytes", "%FF"),
        ("", "noname"),
    ],
)
def test_2_2_8_query_parameters_are_decoded_and_encoded_in_one_way(name, value):
    component = f'"@query-param";name="{name}"'
    assert base(QUERY, component) == [f"{component}: {value}"]


@pytest.mark.parametrize(("name", "why"), [("a", "more than one"), ("b", "no query parameter"), ("A", "no query")])
def test_2_2_8_query_parameters_that_cannot_be_covered(name, why):
    with pytest.raises(Unverified, match=why):
        base(QUERY, f'"@query-param";name="{name}"')
