"""The twins: each module here carries out one function of ``powershell/*.ps1``, bound to its text by a sha256."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from sitekeeper_lab.engines.call import Function


@functools.cache
def functions_by_hash() -> dict[str, Function]:
    """All twins by the sha256 of the script that they stand for."""
    found: dict[str, Function] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg:
            twin: Function = importlib.import_module(f"{__name__}.{module.name}").TWIN
            found[twin.sha256] = twin
    return found
