"""Values of a run as JSON can hold them: what the journal and the events write down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from sitekeeper.engine.plan import Unknown
from sitekeeper.engine.secrets import Secret


def plain(value: Any) -> Any:
    """A value as JSON can hold it: models as mappings, a Secret as its reference."""
    if isinstance(value, BaseModel):
        return {key: plain(one) for key, one in value.__dict__.items()}
    if isinstance(value, Secret | Unknown):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, PurePath | Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    return value
