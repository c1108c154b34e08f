"""What is said of a caller that the file itself knows, whatever proves it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from gwproxy.config.forms import Text, Word, says


class KnownCaller(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom a credential stands for."""

    id: Annotated[Word, says("Id of the caller.")]
    role: Annotated[Text | None, says("Role of the caller, out of [roles].")] = None
    permissions: Annotated[tuple[Text, ...], says("Permissions besides those of the role.")] = ()
    tier: Annotated[Text | None, says("Tier of the caller, out of [tiers].")] = None
    tenant: Annotated[Text | None, says("Tenant that the caller belongs to.")] = None
