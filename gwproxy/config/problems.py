"""What can be wrong with a file, where, and how it is told to the one who wrote it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from msgspec import Struct

# The way to a value: table keys as strings, places in arrays as numbers.
Key = tuple[str | int, ...]
Severity = Literal["error", "warning"]


class Kind(NamedTuple):
    """One kind of problem: what stage finds it, and how it is said.

    file: before there are any values. shape: by the types alone, so the JSON Schema refuses it as well.
    reference: by comparing keys with one another or with the world, which the schema cannot.
    """

    stage: Literal["file", "shape", "reference"]
    says: str
    severity: Severity = "error"


KINDS: Final[dict[str, Kind]] = {
    "unreadable_file": Kind("reference", "file cannot be read"),
    "include_cycle": Kind("reference", "file includes itself"),
    "bad_encoding": Kind("file", "file is not UTF-8 without a byte order mark"),
    "syntax": Kind("file", "not TOML"),
    "duplicate_key": Kind("file", "written twice"),
    "unset_variable": Kind("reference", "environment variable is not set"),
    "bad_placeholder": Kind("reference", "unreadable placeholder"),
    "unknown_key": Kind("shape", "unknown key"),
    "missing_key": Kind("shape", "missing key"),
    "conflicting_keys": Kind("shape", "keys exclude each other"),
    "wrong_type": Kind("shape", "wrong type"),
    "wrong_form": Kind("shape", "wrong form"),
    "unknown_value": Kind("shape", "unknown value"),
    "out_of_range": Kind("shape", "out of range"),
    "bad_duration": Kind("shape", "not a duration"),
    "bad_size": Kind("shape", "not a size"),
    "unknown_service": Kind("reference", "unknown service"),
    "unknown_limit": Kind("reference", "unknown limit"),
    "state_not_shared": Kind("reference", "limits would be counted apart"),
    "limit_too_exact": Kind("reference", "limit keeps too much of each caller"),
    "limit_without_effect": Kind("reference", "limit never refuses", "warning"),
    "plan_counts_apart": Kind("reference", "plan does not count its tenants", "warning"),
    "quota_not_durable": Kind("reference", "quota does not outlast a restart", "warning"),
    "store_not_durable": Kind("reference", "what it has would not outlast the gateway"),
    "unknown_version": Kind("reference", "unknown version"),
    "duplicate_version": Kind("reference", "version is written twice"),
    "version_without_service": Kind("reference", "no service answers this version"),
    "sunset_too_early": Kind("reference", "sunset comes before the deprecation"),
    "unknown_tier": Kind("reference", "unknown tier"),
    "unknown_role": Kind("reference", "unknown role"),
    "unknown_method": Kind("reference", "unknown method"),
    "unknown_param": Kind("reference", "the path has no such part"),
    "unknown_part": Kind("reference", "unknown part"),
    "duplicate_param": Kind("reference", "parameter is named twice"),
    "unknown_plan": Kind("reference", "unknown plan"),
    "tenancy_incomplete": Kind("reference", "something is missing for it"),
    "tenant_reserved": Kind("reference", "a reserved name"),
    "bad_tenant": Kind("reference", "no tenant can have this name"),
    "unknown_tenant": Kind("reference", "unknown tenant", "warning"),
    "unknown_auth": Kind("reference", "unknown way to prove who is calling"),
    "duplicate_part": Kind("reference", "part is named twice"),
    "duplicate_route": Kind("reference", "route is written twice"),
    "bad_date": Kind("reference", "no day of the calendar"),
    "bad_path": Kind("reference", "unusable path"),
    "bad_url": Kind("reference", "unusable URL"),
    "bad_host": Kind("reference", "unusable host"),
    "bad_header": Kind("reference", "unusable header"),
    "bad_merge": Kind("reference", "unusable merge"),
    "bad_listener": Kind("reference", "unusable address to listen on"),
    "listener_twice": Kind("reference", "address is listened on twice"),
    "bad_network": Kind("reference", "not a network"),
    "bad_permission": Kind("reference", "not the name of a permission"),
    "no_keys": Kind("reference", "nothing to verify tokens with"),
    "bad_key": Kind("reference", "unusable key"),
    "key_twice": Kind("reference", "key is written twice"),
    "bad_component": Kind("reference", "no signature can cover this"),
    "nonces_apart": Kind("reference", "a signature may be taken more than once", "warning"),
    "nothing_to_judge": Kind("reference", "there is no credential to ask about"),
    "keys_in_the_clear": Kind("reference", "keys are fetched without TLS", "warning"),
    "covers_too_little": Kind("reference", "a signature of one request fits others", "warning"),
    "header_twice": Kind("reference", "one header says two things", "warning"),
    "auth_overlaps": Kind("reference", "two ways to prove who is calling judge the same credential"),
    "no_signing_key": Kind("reference", "nothing to sign the callers' identity with"),
    "user_twice": Kind("reference", "user is written twice"),
    "sample_secret": Kind("reference", "a secret that everybody knows"),
    "tier_unsaid": Kind("reference", "callers may be without a tier", "warning"),
    "cors_too_open": Kind("reference", "not together with allow_credentials"),
    "auth_unsaid": Kind("reference", "requires_auth must be written where there is an [auth.NAME]"),
    "auth_contradicted": Kind("reference", "permissions imply requires_auth = true"),
    "token_missing": Kind("reference", "admin needs a token"),
    "nobody_can_enter": Kind("reference", "nobody is let in", "warning"),
    "tls_unverified": Kind("reference", "TLS is not verified", "warning"),
    "trusts_everybody": Kind("reference", "everybody's forwarded headers are believed", "warning"),
    "no_effect": Kind("reference", "has no effect here", "warning"),
    "default_ends": Kind("reference", "the default version ends before another", "warning"),
}


class Place(Struct, frozen=True):
    """A position in a file; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(Struct, frozen=True, kw_only=True):
    """One mistake in a file. `kind` is a key of KINDS; found, expected and hint are empty where there is none."""

    kind: str
    place: Place
    key: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity

    def __str__(self) -> str:
        warning = "warning: " if self.severity == "warning" else ""
        text = f"{self.place}: {warning}{self.key}: " if self.key else f"{self.place}: {warning}"
        text += KINDS[self.kind].says
        if self.expected:
            text += f": expected {self.expected}"
        if self.found:
            text += f"{',' if self.expected else ':'} found {self.found}"
        return _printable(f"{text}; {self.hint}" if self.hint else text)


class ConfigError(Exception):
    """A configuration that cannot be used, with all that is wrong with it, in the order of the files' lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(key: Key) -> str:
    """Write a key as people read it: services.users.url, routes[3].path, services."a.b".url."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else _quoted(part)
            text += f".{name}" if text else name
    return text


def _quoted(name: str) -> str:
    return '"' + _printable(name.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _printable(text: str) -> str:
    """One line, whatever a file has in its names: what is not printable is escaped as in TOML."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant; empty where none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Name the nearest known name, or all of them where none is near and they are few."""
    names = list(known)
    near = nearest(name, names)
    if near:
        return f'did you mean "{near}"?'
    if not names:
        return "there are none"
    return f"known: {', '.join(names)}" if len(names) <= 12 else ""


def show_url(url: str) -> str:
    """As show(), without what may be a secret: all that stands before an @, and the query."""
    url = re.sub(r"^([A-Za-z0-9+.-]*:/+)?.*@", r"\1(hidden)@", url, flags=re.DOTALL)
    return show(re.sub(r"([?#]).*", r"\1(hidden)", url, flags=re.DOTALL))


def show(value: object) -> str:
    """What was found, short enough for one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    text = '"' + value.encode("unicode_escape").decode() + '"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:76]}…{text[-1]}"
