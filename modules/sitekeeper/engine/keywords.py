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
    ready: bool = True
    """False: known, but not yet available; using it is an error, never ignored."""


def _keyword(name: str, kind: str, levels: str, doc: str, *, ready: bool = True) -> Keyword:
    return Keyword(name, kind, frozenset(levels.split()), doc, ready)


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
        _keyword("failed_when", "condition", "task", "What counts as a failure, instead of the module's own word."),
        _keyword("ignore_errors", "flag", "task", "Go on after a failure; it stays in the report."),
        _keyword("block", "tasks", "block", "Tasks that share keywords, rescue and always."),
        _keyword("rescue", "tasks", "block", "What to do when a task of the block failed."),
        _keyword("always", "tasks", "block", "What to do at the end in any case."),
        _keyword("undo", "undo", "task", "When the change is taken back: failure, block, play, never."),
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
        _keyword("deadline", "duration", "block task", "Fail when it takes longer than this.", ready=False),
        _keyword(
            "guard",
            "duration",
            "block",
            "The site undoes by itself when we are not heard from for this long.",
            ready=False,
        ),
        _keyword("uses", "words", "task", "Named shared limits to hold meanwhile.", ready=False),
    )
}

ANSIBLE_ONLY: dict[str, str] = {
    "become": "the account in the inventory must have the rights that `sitekeeper modules doc` names",
    "roles": "use core.include_tasks",
    "delegate_to": "modules reach the database host by themselves (database_host in the inventory)",
    "gather_facts": "call site.facts where you need it",
    "handlers": "use undo: and always:",
    "notify": "use undo: and always:",
    "strategy": "sites never wait for each other, unless serial or order says so",
    "throttle": "use serial, or uses: with a limit",
    "run_once": "use a play of its own with hosts: and serial: 1",
    "no_log": "secrets are a type here and never logged",
    "collections": "modules are named in full",
    "environment": "nothing reads the environment of a host",
    "any_errors_fatal": "use max_fail_percentage: 0",
    "changed_when": "a plan says what changes",
    "check_mode": "use --check for the whole run",
    "connection": "set ansible_connection in the inventory; psrp is the only one",
    "remote_user": "set ansible_user in the inventory",
    "ignore_unreachable": "an unreachable site is a failed site",
    "vars_files": "use group_vars/ and host_vars/",
    "with_items": "use loop",
}
"""Ansible keywords that do not exist here, and our way."""
