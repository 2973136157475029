"""Get-ItemProperty, Test-Path and Get-ChildItem over the registry and the file system."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.engines.binding import Parameter, parameters
from sitekeeper_lab.engines.call import Call, Cmdlet, not_emulated
from sitekeeper_lab.engines.objects import file_object, item_properties, key_object, long_key
from sitekeeper_lab.windows.registry import key_path

_COMMANDS = "Microsoft.PowerShell.Commands."
_NO = "unsupported"


def _paths(call: Call) -> list[str]:
    literal, path = call.bound.texts("LiteralPath"), call.bound.texts("Path")
    if literal is not None:
        return literal
    for one in path or []:
        if any(c in one for c in "*?["):
            raise not_emulated(f"a wildcard in -Path of {call.name}")
    return path or []


def _is_registry(path: str) -> bool:
    lower = path.lower()
    return lower.startswith(("hklm:", "hkcu:", "registry::", "microsoft.powershell.core\\registry::"))


def _is_file(path: str) -> bool:
    return path[1:3] in {":\\", ":/", ":"} or path.startswith("\\\\")


def _not_found(call: Call, path: str, command: str) -> None:
    call.write_error(
        ErrorRecord(
            f"Cannot find path '{path}' because it does not exist.",
            f"PathNotFound,{_COMMANDS}{command}",
            13,
            "System.Management.Automation.ItemNotFoundException",
            path,
        )
    )


def get_item_property(call: Call) -> Iterator[PsObject]:
    """Get-ItemProperty."""
    names = call.bound.texts("Name")
    for path in _paths(call):
        if _is_registry(path):
            key = call.host.registry.key(path)
            if key is None:
                _not_found(call, path, "GetItemPropertyCommand")
                continue
            missing = [name for name in names or [] if name.lower() not in key.values and name.lower() != "(default)"]
            for name in missing:
                call.write_error(
                    ErrorRecord(
                        f"Property {name} does not exist at path {long_key(key_path(path))}.",
                        f"System.Management.Automation.PSArgumentException,{_COMMANDS}GetItemPropertyCommand",
                        5,
                        "System.Management.Automation.PSArgumentException",
                        name,
                    )
                )
            if missing and len(missing) == len(names or []):
                continue
            yield item_properties(key, names)
        elif _is_file(path):
            if names is not None:
                raise not_emulated("Get-ItemProperty -Name on a file")
            if not call.host.exists(path):
                _not_found(call, path, "GetItemPropertyCommand")
                continue
            yield file_object(call.host, path)
        else:
            raise not_emulated(f"the path {path}")


def test_path(call: Call) -> Iterator[bool]:
    """Test-Path."""
    for path in _paths(call):
        if _is_registry(path):
            yield call.host.registry.key(path) is not None
        elif _is_file(path):
            yield call.host.exists(path)
        else:
            raise not_emulated(f"the path {path}")


def get_child_item(call: Call) -> Iterator[PsObject]:
    """Get-ChildItem, one level."""
    pattern = call.bound.text("Filter")
    hidden = call.bound.switch("Force")
    for path in _paths(call):
        if _is_registry(path):
            if call.host.registry.key(path) is None:
                _not_found(call, path, "GetChildItemCommand")
                continue
            for key in call.host.registry.children(path):
                yield key_object(key, len(call.host.registry.children(key.path)))
        elif _is_file(path):
            if not call.host.exists(path):
                _not_found(call, path, "GetChildItemCommand")
                continue
            base = path.replace("/", "\\").rstrip("\\")
            for name in sorted((e.name for e in call.host.files.resolve(path).iterdir()), key=str.lower):
                if pattern is not None and not fnmatch.fnmatch(name.lower(), pattern.lower()):
                    continue
                item = file_object(call.host, f"{base}\\{name}")
                if hidden or "Hidden" not in item.adapted["Attributes"]:
                    yield item
        else:
            raise not_emulated(f"the path {path}")


_PATH = Parameter("string[]", 0)
_LITERAL = Parameter("string[]", aliases=("PSPath",))
ITEMS: tuple[Cmdlet, ...] = (
    Cmdlet(
        "Get-ItemProperty",
        _COMMANDS + "GetItemPropertyCommand",
        parameters(
            Path=_PATH,
            LiteralPath=_LITERAL,
            Name=Parameter("string[]", 1, aliases=("PSProperty",)),
            **dict.fromkeys(("Filter", "Include", "Exclude", "Credential"), _NO),
        ),
        get_item_property,
    ),
    Cmdlet(
        "Test-Path",
        _COMMANDS + "TestPathCommand",
        parameters(
            Path=_PATH,
            LiteralPath=_LITERAL,
            **dict.fromkeys(("Filter", "Include", "Exclude", "PathType", "IsValid", "Credential"), _NO),
        ),
        test_path,
    ),
    Cmdlet(
        "Get-ChildItem",
        _COMMANDS + "GetChildItemCommand",
        parameters(
            Path=_PATH,
            LiteralPath=_LITERAL,
            Filter=Parameter("string", 1),
            Force="switch",
            **dict.fromkeys(("Include", "Exclude", "Recurse", "Name"), _NO),
        ),
        get_child_item,
    ),
)
