r"""Answers one JSON request a line over standard input, for a PowerShell that stands in for Windows' cmdlets.

{"tool": "reg.exe", "arguments": [...]}          -> {"lines": [...], "errors": [...], "code": 0}
{"wmi": "get", "class": "Win32_Service"}         -> {"rows": [{...}]}
{"wmi": "invoke", "path": "Win32_ShadowCopy", "method": "Create", "arguments": [...]}
{"wmi": "remove", "path": "Win32_ShadowCopy.ID='{...}'"}
{"key": "HKLM:\\SOFTWARE"}                        -> {"found": true}
{"acl": "D:\\x"} or with "sddl"                   -> {"sddl": "D:..."}
{"tools": true}                                  -> {"tools": ["reg.exe", ...]}
{"fault": "snapshot_fails"}                      -> {}
{"key": "HKLM:\\SOFTWARE", "values": true}        -> {"found": true, "values": {...}}
{"opsmgr": "kind"}, {"opsmgr": "objects", "class": ...}, {"opsmgr": "hosted" | "window", "id": ...},
{"opsmgr": "start" | "end", "id": ..., "until": ..., "comment": ...}, {"opsmgr": "agent", "minutes": 5, "comment": ...}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TextIO

from sitekeeper.lab.host import Host
from sitekeeper.lab.opsmgr.stand_in import answer as answer_opsmgr
from sitekeeper.lab.windows.native import find_tool, tools_of
from sitekeeper.lab.windows.wmi import Wmi


def serve(host: Host, requests: Iterable[str], answers: TextIO) -> None:
    """Answer until the requests end."""
    wmi = Wmi(host)
    for line in requests:
        answers.write(json.dumps(_answer(host, wmi, json.loads(line))) + "\n")
        answers.flush()


def _answer(host: Host, wmi: Wmi, request: dict[str, Any]) -> dict[str, Any]:
    match request:
        case {"tool": name, "arguments": arguments}:
            tool = find_tool(name, host)
            if tool is None:
                raise LookupError(name)
            answer = tool(arguments, host)
            return {"lines": answer.lines, "errors": answer.errors, "code": answer.code}
        case {"wmi": "get", "class": name}:
            return {"rows": [item.adapted for item in wmi.get(name, (), None)]}
        case {"wmi": "invoke", "path": path, "method": method, "arguments": arguments}:
            return {"rows": [wmi.invoke(path, method, arguments).adapted]}
        case {"wmi": "remove", "path": path}:
            wmi.remove(path)
            return {}
        case {"opsmgr": what}:
            return answer_opsmgr(host, what, request)
        case {"key": path, "values": True}:
            key = host.registry.key(path)
            values = {} if key is None else {value.name: value.data for value in key.values.values()}
            return {"found": key is not None, "values": values}
        case {"key": path}:
            return {"found": host.registry.key(path) is not None}
        case {"acl": path, "sddl": sddl}:
            host.set_acl(path, sddl)
            return {}
        case {"acl": path}:
            return {"sddl": host.acl(path)}
        case {"tools": True}:
            return {"tools": tools_of(host)}
        case {"fault": name}:
            host.faults.add(name)
            return {}
        case _:
            raise LookupError(f"no such request: {sorted(request)}")
