"""``sitekeeper modules list|doc``: what modules there are, and what they take; all of it from their own types."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from typing import Any

from sitekeeper.cli.common import table
from sitekeeper.engine import module as modules
from sitekeeper.engine.language.keywords import KEYWORDS
from sitekeeper.engine.language.playbook_reader import INCLUDE, INCLUDE_TAKES

INCLUDES = "Runs the tasks of another file here."


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("modules", help="what playbooks can do")
    actions = command.add_subparsers(dest="action", required=True)
    action = actions.add_parser("list", help="all modules")
    action.add_argument("--json", action="store_true")
    action.set_defaults(work=list_modules)
    action = actions.add_parser("doc", help="one module, or `keywords`")
    action.add_argument("module")
    action.add_argument("--json", action="store_true")
    action.set_defaults(work=doc)


def list_modules(options: argparse.Namespace) -> int:
    """A line per module."""
    rows = [
        {"module": name, "undo": "yes" if found.reversible else "no", "does": purpose(found)}
        for name, found in sorted(modules.available().items())
    ]
    rows.append({"module": INCLUDE, "undo": "no", "does": INCLUDES})
    rows.sort(key=lambda row: row["module"])
    table.show(rows, ("module", "undo", "does"), as_json=options.json, empty="no modules")
    return 0


def purpose(found: type[modules.Module[Any, Any, Any]]) -> str:
    """The first line of a module's file."""
    return (inspect.getdoc(sys.modules[found.__module__]) or "").split("\n", 1)[0]


def _doc_include(*, as_json: bool) -> int:
    about = "Name of the file, beside this one. Read, and checked, before anything is started."
    if as_json:
        fields = {"file": {"required": True, "default": None, "doc": about}}
        print(
            json.dumps(
                {
                    "module": INCLUDE,
                    "does": INCLUDES,
                    "params": fields,
                    "undo": False,
                    "cmdlets": {},
                    "functions": [],
                },
                indent=2,
            )
        )
        return 0
    print(f"{INCLUDE}: {INCLUDES}\n\n  file (required)\n      {about}\n\n  takes {', '.join(INCLUDE_TAKES)}")
    print("\nExample::\n\n- core.include_tasks: {file: tasks.yml}")
    return 0


def doc(options: argparse.Namespace) -> int:
    """Parameters, needs and an example."""
    if options.module == "keywords":
        rows = [
            {"keyword": word.name, "on": " ".join(sorted(word.levels)), "does": word.doc} for word in KEYWORDS.values()
        ]
        table.show(rows, ("keyword", "on", "does"), as_json=options.json, empty="")
        return 0
    if options.module == INCLUDE:
        return _doc_include(as_json=options.json)
    found = modules.find(options.module)
    fields = {
        name: {
            "required": field.is_required(),
            "default": None if field.is_required() else str(field.get_default(call_default_factory=True)),
            "doc": field.description or "",
        }
        for name, field in found.params_type.model_fields.items()
    }
    if options.json:
        print(
            json.dumps(
                {
                    "module": found.name(),
                    "does": purpose(found),
                    "params": fields,
                    "undo": found.reversible,
                    "cmdlets": dict(found.needs.cmdlets),
                    "functions": list(found.needs.functions),
                },
                indent=2,
            )
        )
        return 0
    print(f"{found.name()}: {purpose(found)}\n")
    for name, about in fields.items():
        needed = "required" if about["required"] else f"default {about['default']}"
        print(f"  {name} ({needed})\n      {about['doc']}")
    print(f"\n  undo: {'yes' if found.reversible else 'nothing to undo'}")
    if found.needs.rights:
        print(f"  rights: {found.needs.rights}")
    print("\n" + (inspect.getdoc(found) or ""))
    return 0
