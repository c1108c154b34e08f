"""What a signature must say of itself to be believed: times, algorithm, tag. And policies that cannot be met."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gwproxy.auth.signatures.policy import Policy
from gwproxy.auth.signatures.verifier import Verifier
from tests.auth.reading import NOW, key_of, refusal, seen, verifier_for, with_signature
from tests.support.signing import Call, base_of, ed25519_signer, hmac_signer

HMAC, ED = hmac_signer(), ed25519_signer()
CALL = Call("POST", "http://api.example.com/orders/7?full=1", (("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),), b"{}")


def test_input_written_in_another_way_is_the_same_signature():
    """Whoever is on the way may write a structured field anew; what is signed is its one written form."""
    told = f'("@method" "date");created={NOW};keyid="shared"'
    signature = HMAC.bytes_for(base_of(CALL, ["@method", "date"], told))
    loose = f'( "@method"   "date" );  created={NOW}; keyid="shared"'
    assert verifier_for(HMAC).verify(seen(with_signature(CALL, loose, signature)), NOW) == "shared"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ('created=%d;keyid="shared";alg="hmac-sha256"', None),
        ('created=%d;keyid="shared";alg="ed25519"', "alg is not the key's hmac-sha256"),
        ('created=%d;keyid="shared";alg=hmac-sha256', "alg is not"),
        ('created=%d;keyid="shared";unheard="of"', None),
        ('created="%d";keyid="shared"', "created is no number"),
        ('created=%d.0;keyid="shared"', "created is no number"),
        ('created;keyid="shared";x=%d', "created is no number"),
        ('keyid="shared";x=%d', "does not say when"),
        ('created=%d;expires;keyid="shared"', "expires is no number"),
        ('created=%d;keyid="other"', "no signature of a known key"),
        ("created=%d;keyid=shared", "no signature of a known key"),
        ("created=%d", "no signature of a known key"),
    ],
)
def test_parameters_that_say_something_else_are_refused(params, why):
    call = HMAC.sign(CALL, ["@method", "date"], params=";" + params % NOW)
    if why is None:
        assert verifier_for(HMAC).verify(seen(call), NOW) == "shared"
    else:
        assert why in refusal(verifier_for(HMAC), call)


def test_algorithm_is_the_key_s_even_where_the_message_names_another():
    """A public key is no secret: whoever signs with it as one must not pass."""
    forger = hmac_signer("ed", ED.config_text.encode())
    forged = forger.sign(CALL, ["@method"], created=NOW, alg="hmac-sha256")
    assert "alg is not the key's ed25519" in refusal(verifier_for(ED), forged)
    assert "not that of 'ed'" in refusal(verifier_for(ED), forger.sign(CALL, ["@method"], created=NOW))


@pytest.mark.parametrize(
    ("created", "expires", "why"),
    [
        (0, None, None),
        (-65, None, None),
        (-66, None, "has expired"),
        (5, None, None),
        (6, None, "in the future"),
        (-10, -5, None),
        (-10, -6, "has expired"),
        (-66, 100, "has expired"),
        (0, 100, None),
    ],
)
def test_times_are_bounded_by_age_and_leeway(created, expires, why):
    """An age of 60 s, and clocks that may differ by 5."""
    told = {"created": NOW + created} | ({} if expires is None else {"expires": NOW + expires})
    call = HMAC.sign(CALL, ["@method"], **told)
    if why is None:
        assert verifier_for(HMAC).verify(seen(call), NOW) == "shared"
    else:
        assert why in refusal(verifier_for(HMAC), call)


def test_date_stands_in_for_created_only_where_it_is_required():
    call = HMAC.sign(CALL, ["@method", "date"])
    at = 1_800_000_000
    dated = verifier_for(HMAC, required=("@method", "date"))
    assert dated.verify(seen(call), at) == "shared"
    assert "has expired" in refusal(dated, call, at + 66)
    assert "in the future" in refusal(dated, call, at - 6)
    assert "does not say when" in refusal(verifier_for(HMAC), call, at)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "1800000000",
        "Fri, 15-Jan-27 08:00:00 GMT",
        "Fri, 15 Jan 2027 08:00:00 +0000",
        "Fri, 31 Feb 2027 08:00:00 GMT",
        "Fri, 15 Foo 2027 08:00:00 GMT",
        "Fri, 15 Jan 0000 08:00:00 GMT",
        "Fri, 15 Jan 2027 24:00:00 GMT",
    ],
)
def test_date_in_another_form_says_nothing(date):
    call = HMAC.sign(replace(CALL, fields=(("Date", date),)), ["@method", "date"])
    assert "does not say when" in refusal(verifier_for(HMAC, required=("date",)), call)


def test_two_dates_say_nothing():
    call = HMAC.sign(CALL.told(("Date", "Fri, 15 Jan 2027 08:00:00 GMT")), ["@method", "date"])
    assert "does not say when" in refusal(verifier_for(HMAC, required=("date",)), call)


def test_tag_must_be_the_one_that_is_asked_for():
    verifier = verifier_for(HMAC, tag="orders")
    assert verifier.verify(seen(HMAC.sign(CALL, ["@method"], created=NOW, tag="orders")), NOW) == "shared"
    assert "another tag" in refusal(verifier, HMAC.sign(CALL, ["@method"], created=NOW, tag="bills"))
    assert "another tag" in refusal(verifier, HMAC.sign(CALL, ["@method"], created=NOW))


# -- what is refused when it is configured


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({"required": ()}, "fits every request"),
        ({"required": ("@query-param",)}, "require @query"),
        ({"required": ("@status",)}, "neither a lower-case field name nor one of @method"),
        ({"required": ("Date",)}, "neither a lower-case"),
        ({"required": ("connection",)}, "no request can bring"),
        ({"required": ("x_user_id",)}, "no request can bring"),
        ({"required": ("date",), "required_with_body": ("te",)}, "no request can bring"),
        ({"required": ("date",), "max_age_s": 0.0}, "age"),
        ({"required": ("date",), "max_age_s": float("nan")}, "age"),
        ({"required": ("date",), "leeway_s": -1.0}, "leeway"),
        ({"required": ("date",), "label": "Sig"}, "cannot be a label"),
    ],
)
def test_policy_that_cannot_be_met_or_proves_nothing_is_refused(policy, why):
    with pytest.raises(ValueError, match=why):
        Policy(**{"max_age_s": 60.0, **policy})


def test_keys_have_names_of_their_own():
    policy = Policy(required=("@method",), max_age_s=60.0)
    with pytest.raises(ValueError, match="two keys of the name 'shared'"):
        Verifier([key_of(HMAC), key_of(ed25519_signer("shared"))], policy)
    with pytest.raises(ValueError, match="no keys"):
        Verifier([], policy)
