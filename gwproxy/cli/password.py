"""`gwproxy password`: the hash of a password, for [[auth.NAME.users]]."""

from __future__ import annotations

import sys

import click

from gwproxy.cli.told import Failed

LONGEST = 512


# What looks like an option may be a password as well: click would repeat it.
@click.command(
    short_help="Print the hash of a password, for [[auth.NAME.users]].",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("given", nargs=-1, metavar="", type=click.UNPROCESSED)
def password(given: tuple[str, ...]) -> None:
    """Ask for a password, without showing it, and print what [[auth.NAME.users]] has for it.

    Where stdin is no terminal its first line is the password.
    """
    if given:
        others = "lists of processes and the shell's history show it"
        raise click.UsageError(f"a password is not written here, where {others}: it is asked for, or read from stdin")
    from gwproxy.auth.passwords import hashed

    click.echo(hashed(_checked(_typed() if sys.stdin.isatty() else _read())).written())


def _typed() -> str:
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _read() -> str:
    line = sys.stdin.buffer.readline(LONGEST * 4 + 2)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise Failed("the password is not UTF-8") from None


def _checked(text: str) -> str:
    """RFC 7617 section 2: what no caller could send is no password."""
    if not text or len(text) > LONGEST:
        raise Failed(f"a password has 1 to {LONGEST} characters")
    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in text):
        raise Failed("a password has no control characters")
    return text
