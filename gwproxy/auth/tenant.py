"""A customer of a product that has several."""

from __future__ import annotations


class Tenant:
    """One that is known. `plan` is "" where it has none; `lines` are the field lines that services get."""

    __slots__ = ("active", "lines", "name", "plan", "plan_line")

    def __init__(self, name: str, plan: str = "", *, active: bool = True) -> None:
        self.name = name
        self.plan = plan
        self.active = active
        self.plan_line = f"X-Tenant-Plan: {plan}\r\n".encode() if plan else b""
        self.lines = f"X-Tenant-Id: {name}\r\n".encode() + self.plan_line

    def __repr__(self) -> str:
        return f"<Tenant {self.name} {self.plan}>"
