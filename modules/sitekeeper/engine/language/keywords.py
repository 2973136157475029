"""Every keyword of the playbook language: name, type, where it stands, what it does. One table; parser and docs read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword. ``kind`` names the check that the parser makes of its value."""

    name: str
    kind: str
    levels: frozenset[str]
    doc: str


def _keyword(name: str, kind: str, levels: str, doc: str) -> Keyword:
    return Keyword(name, kind, frozenset(levels.split()), doc)


KEYWORDS: dict[str, Keyword] = {
    keyword.name: keyword
    for keyword in (
        _keyword("name", "text", "play block task", "What this is for, in your words; shown in reports."),
        _keyword("hosts", "pattern", "play", "Hosts and groups to run on: names, `all`, globs, `a:b`, `!a`, `&a`."),
        _keyword("tasks", "tasks", "play", "The tasks."),
        _keyword("vars", "mapping", "play block task", "Variables for what is below."),
        _keyword("tags", "words", "play block task", "Names by which --tags and --skip-tags choose."),
        _keyword("when", "condition", "block task", "Run only if this expression is true; a list means all of them."),
        _keyword("register", "word", "task", "Give the result this name for later tasks."),
        _keyword("loop", "list", "task", "Run once for each item, as `item`; each is its own change."),
        _keyword("retries", "count", "task", "How many times more to try when it fails or `until` is false."),
        _keyword("until", "condition", "task", "Try again until this is true."),
        _keyword("delay", "duration", "task", "How long to wait between tries (default 5s)."),
        _keyword(
            "failed_when", "condition", "task", "What counts as a failure, instead of the module's own judgement."
        ),
        _keyword("ignore_errors", "flag", "task", "Go on after a failure; it stays in the report."),
        _keyword("block", "tasks", "block", "Tasks that share keywords, rescue and always."),
        _keyword("rescue", "tasks", "block", "What to do when a task of the block failed."),
        _keyword("always", "tasks", "block", "What to do at the end in any case."),
        _keyword("undo", "undo", "task", "When the change is undone: failure, block, play, never."),
        _keyword(
            "order",
            "order",
            "play",
            "inventory, reverse_inventory, sorted, reverse_sorted, shuffle, children_first, parents_first.",
        ),
        _keyword("serial", "serial", "play", "How many hosts at a time: a number, a percentage, or a list of them."),
        _keyword(
            "max_fail_percentage",
            "percentage",
            "play",
            "Start no more hosts once more than this share of all has failed.",
        ),
        _keyword("deadline", "duration", "block task", "Fail when it takes longer than this; undo is not bound by it."),
        _keyword(
            "guard",
            "guard",
            "block",
            "After this long without a sign of life the site starts its services by itself; or `none`.",
        ),
        _keyword(
            "branch_windows",
            "windows",
            "play",
            "How many guarded blocks at once on a site and those above and below it: one (default) or any.",
        ),
        _keyword(
            "keep",
            "duration",
            "block",
            "With guard: after how long shadow copies and other leftovers are deleted (default 6h).",
        ),
        _keyword("uses", "list", "task", "Named shared limits (variable `limits`) to hold while the task runs."),
    )
}

_NO_BECOME = "the account in the inventory must have the rights that `sitekeeper modules doc` names"
_NO_HANDLERS = "use undo: and always:"
_BY_ITSELF = "modules reach the database host by themselves (database_host in the inventory)"
_IN_INVENTORY = "connections are described in the inventory"
ANSIBLE_ONLY: dict[str, str] = {
    **dict.fromkeys(("become", "become_exe", "become_flags", "become_method", "become_user"), _NO_BECOME),
    **dict.fromkeys(("handlers", "notify", "listen", "force_handlers"), _NO_HANDLERS),
    **dict.fromkeys(("delegate_to", "delegate_facts", "local_action"), _BY_ITSELF),
    **dict.fromkeys(
        ("gather_facts", "gather_subset", "gather_timeout", "fact_path"), "call site.facts where you need it"
    ),
    **dict.fromkeys(("pre_tasks", "post_tasks"), "tasks run in the order of the file: put them first or last"),
    **dict.fromkeys(("async", "poll"), "a task runs to its end; hosts run side by side"),
    **dict.fromkeys(("action", "args"), "name the module as the key, with its parameters below"),
    **dict.fromkeys(("remote_user", "port"), f"{_IN_INVENTORY}: ansible_user, ansible_port"),
    **dict.fromkeys(
        ("include_tasks", "import_tasks", "include", "import_role", "include_role"), "use core.include_tasks"
    ),
    **dict.fromkeys(("vars_files", "include_vars"), "use group_vars/ and host_vars/, or -e @FILE"),
    "any_errors_fatal": "use max_fail_percentage: 0",
    "changed_when": "a plan says what changes",
    "check_mode": "use --check for the whole run",
    "collections": "modules are named in full",
    "connection": f"{_IN_INVENTORY}: ansible_connection; psrp is the only one",
    "debugger": "use --check, core.debug and `sitekeeper runs show`",
    "diff": "use --diff for the whole run",
    "environment": "nothing reads the environment of a host",
    "ignore_unreachable": "an unreachable site is a failed site",
    "import_playbook": "run the other playbook by itself",
    "loop_control": "the item is `item`, its number `item_index`",
    "module_defaults": "write the parameters on the task, or use a variable",
    "no_log": "secrets are a type here and never logged",
    "roles": "use core.include_tasks",
    "run_once": "use a play of its own with hosts: and serial: 1",
    "strategy": "sites never wait for each other, unless serial or order says so",
    "throttle": "use serial, or --forks",
    "timeout": "modules take their own timeouts; see `sitekeeper modules doc`",
    "validate_argspec": "parameters are always checked",
    "vars_prompt": "use -e NAME=VALUE",
}
"""Ansible keywords that do not exist here, and our way. Source: Ansible documentation, "Playbook Keywords"."""


def ansible_only(key: str) -> str | None:
    """Our way, where a key is a keyword of Ansible that does not exist here."""
    if key.startswith("with_"):
        return "use loop"
    return ANSIBLE_ONLY.get(key.removeprefix("ansible.builtin."))
