"""`gwproxy token`: a token to try a file with."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gwproxy.auth.claims import claim, holds_until, proof_of
from gwproxy.auth.principal import Identities, Unproved
from gwproxy.cli.told import Failed, usable
from gwproxy.config.schema import Config
from gwproxy.config.units import Duration
from gwproxy.snapshot.credentials import JwtSpec


def _ttl(context: click.Context, parameter: click.Parameter, written: str) -> float:
    try:
        ttl = float(Duration.parse(int(written) if written.isdigit() else written))
    except ValueError:
        raise click.UsageError(f'--ttl: {written!r} is not a duration such as "30m", "1h", "1d"') from None
    if not 1 <= ttl <= 1e9:
        raise click.UsageError("--ttl: from a second to some thirty years")
    return ttl


def _claims(context: click.Context, parameter: click.Parameter, written: Sequence[str]) -> dict[str, Any]:
    """Values as JSON where they are some, else as they are written."""
    found = {}
    for each in written:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--claim: {each!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value, parse_constant=_no_json)
        except (ValueError, RecursionError):
            found[name] = value
    return found


def _no_json(word: str) -> None:
    """NaN and its like, which Python alone calls JSON."""
    raise ValueError(word)


@click.command(short_help="Make a token, to try a file with.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--auth", "auth", default="", metavar="NAME", help="Which [auth.NAME], where several have a secret.")
@click.option("--sub", "id_", required=True, metavar="ID", help="Id of the caller.")
@click.option("--role", "roles", multiple=True, help="A role; repeatable.")
@click.option("--permission", "permissions", multiple=True, help="A permission besides those of the roles; repeatable.")
@click.option("--tier", default="", help="Its tier.")
@click.option("--tenant", default="", help="Its tenant.")
@click.option("--ttl", default="1h", callback=_ttl, show_default=True, help="How long it holds.")
@click.option(
    "--claim", "claims", multiple=True, callback=_claims, metavar="NAME=VALUE",
    help="A further claim, or another value of one; the value may be JSON; repeatable.",
)
def token(file: Path, auth: str, ttl: float, claims: Mapping[str, Any], id_: str, **said: Any) -> None:
    """Print a JSON Web Token that FILE believes, for trying out.

    It has the issuer, the audience and the names of claims that the [auth.NAME] asks for, and is signed with its shared
    secret. Where the file has a public key, or fetches keys, only the issuer can sign. Tokens for users are an
    issuer's to make: it knows who they are, and this command asks nobody.
    """
    # Other verbs need not wait for what signs (100 ms).
    from gwproxy.demo.tokens import Bearer, CannotSign, claims_of, signed, signer_of

    loaded, snapshot = usable(file)
    now = time.time()
    try:
        spec = signer_of(snapshot.auth, auth)
        made = claims_of(spec, Bearer(id_, **said), now, ttl, claims)
        text = signed(spec, made)
    except CannotSign as error:
        raise Failed(f"{file}: {error}") from None
    click.echo(text)
    for remark in _remarks(loaded.config, spec, made, text, now):
        click.echo(remark, err=True)


def _remarks(config: Config, spec: JwtSpec, claims: Mapping[str, Any], text: str, now: float) -> Iterator[str]:
    """What somebody who tries it should know: that it is refused, or that a name in it means nothing here."""
    rules = spec.rules
    identities = Identities(config.roles, config.tiers, config.auth.default_tier)
    try:
        if len(text) > rules.longest:
            raise Unproved("longer than max_token")
        until = holds_until(claims, rules.expected, now)
        principal = proof_of(claims, rules.names, spec.name, identities, until).principal
    except Unproved as reason:
        yield f"auth.{spec.name} refuses this token: {reason}"
        return
    tier = claim(claims, rules.names.tier)
    if tier and tier != principal.tier:
        yield f"there is no [tiers.{tier}]: the caller has {principal.tier or 'no tier'}"
    for role in principal.roles:
        if role not in config.roles:
            yield f"[roles] has no {role}: it gives no permissions"
