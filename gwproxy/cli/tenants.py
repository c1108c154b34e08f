"""`gwproxy tenants`: tenants in the store that [state] names, besides those of the file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import click

from gwproxy.auth.records import TenantRecord, tenant_record, written
from gwproxy.auth.stored_tenants import FORM
from gwproxy.cli.record_store import RecordStore, record_store
from gwproxy.cli.told import Failed, as_json, usable
from gwproxy.config.loaded import Loaded
from gwproxy.config.schema import Config
from gwproxy.config.tenants import NAME_IN_WORDS, Tenancy
from gwproxy.snapshot.tenants import tenant_records
from gwproxy.state.records import LONGEST

_FILE: Final = click.argument("file", type=click.Path(path_type=Path))


@click.group(short_help="List, set and remove tenants in the store.")
def tenants() -> None:
    """Tenants in the store of [state], where [tenancy] has store = true.

    FILE is the gateway's own, which says where the store is. No gateway has to run, and none is told: they go by what
    is changed within [tenancy] cache, and by a new tenant within 5 seconds.
    """


@tenants.command("list", short_help="List the tenants.")
@_FILE
@click.option("--json", "json_", is_flag=True, help="Print tenants for programs.")
def list_(file: Path, json_: bool) -> None:
    """List the tenants of FILE, and those that the store has."""
    loaded = usable(file)[0]
    with _store(loaded) as store:
        found = _of_file(loaded.config) + [_told(name, text) for name, text in store.all().items()]
    if json_:
        click.echo(as_json(found))
    else:
        click.echo("\n".join(map(_line, found)) or "no tenants")


@tenants.command("set", short_help="Write a tenant.")
@_FILE
@click.argument("name")
@click.option("--plan", default=None, metavar="PLAN", help="Its plan, out of [plans]; '' for the default.")
@click.option("--active/--inactive", default=None, help="Whether it is served at all.")
def set_(file: Path, name: str, plan: str | None, active: bool | None) -> None:
    """Write the tenant NAME, or change what the options say of it. It is active unless it is said not to be."""
    loaded = usable(file)[0]
    config = loaded.config
    if plan and plan not in config.plans:
        raise click.UsageError(f"--plan: {plan} is none of [plans]: {', '.join(config.plans) or 'there are none'}")
    _check_name(config, name)
    with _store(loaded) as store:
        there = _read(store.get(name))[0] or TenantRecord()
        record = TenantRecord(
            plan=there.plan if plan is None else plan or None, active=there.active if active is None else active
        )
        store.put(name, written(record))
        click.echo(f"{_line(_fields(name, record))}, in {store.where}")


@tenants.command(short_help="Remove a tenant.")
@_FILE
@click.argument("name")
def remove(file: Path, name: str) -> None:
    """Take the tenant NAME out of the store. It is no tenant any more from then on."""
    loaded = usable(file)[0]
    with _store(loaded) as store:
        if FORM.fullmatch(name.encode(errors="replace")) is None or not store.remove(name):
            here = "; the file has it" if name in loaded.config.tenants else ""
            raise Failed(f"the store has no tenant {name}{here}")
    assert loaded.config.tenancy is not None
    click.echo(f"removed {name}\nRunning gateways refuse it within {loaded.config.tenancy.cache}.")


def _store(loaded: Loaded) -> AbstractContextManager[RecordStore]:
    tenancy: Tenancy | None = loaded.config.tenancy
    spec = tenant_records(tenancy) if tenancy is not None else None
    if spec is None:
        raise Failed(f"{loaded.files[0]}: [tenancy] has no tenants in the store: write store = true there")
    return record_store(loaded.config.state, spec.family)


def _check_name(config: Config, name: str) -> None:
    """Raises click.UsageError for a name that the store is never asked for."""
    if FORM.fullmatch(name.encode(errors="replace")) is None:
        raise click.UsageError(f"{name!r}: {NAME_IN_WORDS}")
    if config.tenancy is not None and name in config.tenancy.reserved:
        raise click.UsageError(f"{name} is reserved: [tenancy] reserved")
    if name in config.tenants:
        raise click.UsageError(f"{name} is a tenant of the file, which is what counts: change it there")


def _of_file(config: Config) -> list[dict[str, object]]:
    return [
        {**_fields(name, TenantRecord(plan=one.plan, active=one.active)), "in": "file"}
        for name, one in config.tenants.items()
    ]


def _told(name: str, text: bytes) -> dict[str, object]:
    record, fault = _read(text)
    return {**_fields(name, record), "in": "store"} if record is not None else {"name": name, "fault": fault}


def _fields(name: str, record: TenantRecord) -> dict[str, object]:
    return {"name": name, "plan": record.plan, "active": record.active}


def _read(text: bytes) -> tuple[TenantRecord | None, str]:
    if not text or len(text) > LONGEST:
        return None, f"it is longer than {LONGEST} bytes" if text else "it is no string"
    try:
        return tenant_record(text), ""
    except ValueError as error:
        return None, str(error)


def _line(one: dict[str, object]) -> str:
    if "fault" in one:
        return f"{one['name']}  cannot be read: {one['fault']}"
    facts = [f"plan {one['plan']}" if one["plan"] else "", "" if one["active"] else "inactive"]
    told = ", ".join(filter(None, facts))
    origin = f"  {one['in']}" if "in" in one else ""
    return f"{one['name']}{f' ({told})' if told else ''}{origin}"
