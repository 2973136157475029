"""What may come of each fault, by its name and how it is made, over all its steps: pinned from what was seen."""

from __future__ import annotations

EXPECTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("reset", "the connection breaks before the next request is handled"): ("ok, published, by the run",),
    ("reset", "the next request is carried out, its answer is lost"): ("ok, published, by the run",),
    ("reset", "the connection to SQL Server breaks"): (
        "unreachable (5), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("black hole", "for some seconds nothing is answered"): (
        "unreachable (5), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("black hole", "nothing is answered any more"): (
        "unreachable (5), nothing published, by the run",
        "unreachable (5), nothing published, leak guard",
        "unreachable (20), nothing published, leak guard",
        "unreachable (20), nothing published, the guard",
        "undo (13), nothing published, the guard",
        "undo (13), published, leak guard",
    ),
    ("half an answer", "the connection breaks within the next answer"): ("ok, published, by the run",),
    ("WinRM restart", "all shells are gone"): (
        "ok, published, by the run",
        "unreachable (5), nothing published, by the run",
    ),
    ("reboot", "the site server restarts"): (
        "ok, published, by the run",
        "integrity (10), nothing published, by the run",
        "unreachable (5), nothing published, by the run",
    ),
    ("reset", "Server 2003: the next request is carried out, its answer is lost"): ("ok, published, by the run",),
    ("WinRM restart", "Server 2003: all shells are gone"): (
        "ok, published, by the run",
        "unreachable (5), nothing published, by the run",
    ),
    ("reboot", "Server 2003: the site server restarts"): (
        "ok, published, by the run",
        "integrity (10), nothing published, by the run",
        "unreachable (5), nothing published, by the run",
    ),
    ("account locked", "and the connection breaks"): (
        "auth (6), nothing published, by the run",
        "auth (6), nothing published, leak guard",
        "auth (20), nothing published, leak guard",
        "auth (20), nothing published, the guard",
        "undo (13), nothing published, the guard",
        "undo (13), published, leak guard",
        "ok, published, by the run",
    ),
    ("account locked", "SQL Server refuses the login (18486)"): (
        "auth (6), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("password expired half-way", "new log-ins are refused, who is connected stays so"): (
        "auth (6), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("password expired half-way", "SQL Server refuses the login (18487)"): (
        "auth (6), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("stop takes 25 minutes under a 15-minute guard", "its time-out is 20 minutes"): (
        "remote (7), nothing published, by the run",
    ),
    ("stop takes 25 minutes under a 15-minute guard", "its time-out is 40 minutes"): ("ok, published, by the run",),
    ("stop takes 25 minutes under a 15-minute guard", "and the site cannot be reached any more"): (
        "unreachable (20), nothing published, the guard",
    ),
    ("start hangs", "until somebody repairs it"): ("undo (13), nothing published, the guard",),
    ("starts and dies", "once"): ("ok, published, by the run",),
    ("starts and dies", "until somebody repairs it"): ("undo (13), nothing published, the guard",),
    ("writer fails at each VSS phase", "at identify"): ("remote (7), nothing published, by the run",),
    ("writer fails at each VSS phase", "at prepare_backup"): ("remote (7), nothing published, by the run",),
    ("writer fails at each VSS phase", "at prepare_snapshot"): ("remote (7), nothing published, by the run",),
    ("writer fails at each VSS phase", "at freeze"): ("remote (7), nothing published, by the run",),
    ("writer fails at each VSS phase", "at thaw"): ("remote (7), nothing published, by the run",),
    ("writer fails at each VSS phase", "at post_snapshot"): ("remote (7), nothing published, by the run",),
    ("writer fails at each VSS phase", "at backup_complete"): ("ok, published, by the run",),
    ("writer fails at each VSS phase", "and diskshadow says nothing of it"): (
        "integrity (10), nothing published, by the run",
    ),
    ("another requester active", "its writers wait for it (preflight)"): ("ok, published, by the run",),
    ("another requester active", "another set is being made"): ("remote (7), nothing published, by the run",),
    ("shadow storage exhausted", "there is no room for a set"): ("space (9), nothing published, by the run",),
    ("shadow storage exhausted", "Windows drops the copies"): (
        "integrity (10), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("shadow copy deleted while we copy", "by somebody else"): (
        "integrity (10), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("SQL gone", "its service stops"): (
        "unreachable (5), nothing published, by the run",
        "integrity (10), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("disk full on site server", "both volumes"): (
        "remote (7), nothing published, by the run",
        "remote (7), nothing published, leak guard",
        "remote (7), published, leak guard",
    ),
    ("disk full on SQL host", "all volumes"): (
        "remote (7), nothing published, by the run",
        "remote (7), published, leak guard",
        "remote (7), nothing published, leak guard",
    ),
    ("SQL host gone", "it answers nothing any more"): (
        "unreachable (5), nothing published, leak guard",
        "unreachable (5), nothing published, by the run",
        "unreachable (20), nothing published, leak guard",
        "undo (13), published, leak guard",
    ),
    ("disk full on store", "not a byte is left"): (
        "preflight (11), nothing published, by the run",
        "space (9), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("store unmounted", "its folder is the empty mount point, as mkdir makes one"): (
        "usage (2), nothing published, by the run",  # open to others: that is seen first
        "space (20), nothing published, leak guard",
        "ok, published, by the run",
    ),
    ("store unmounted", "its folder is the empty mount point, closed like a store"): (
        "space (9), nothing published, by the run",
        "space (20), nothing published, leak guard",
        "ok, published, by the run",
    ),
    ("site clock ±10 minutes", "+10 minutes"): (
        "preflight (11), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("site clock ±10 minutes", "-10 minutes"): (
        "preflight (11), nothing published, by the run",
        "ok, published, by the run",
    ),
    ("site clock ±10 minutes", "+10 minutes, and the site cannot be reached any more"): (
        "unreachable (20), nothing published, the guard",
        "unreachable (20), nothing published, leak guard",
    ),
    ("site clock ±10 minutes", "-10 minutes, and the site cannot be reached any more"): (
        "unreachable (20), nothing published, the guard",
        "unreachable (20), nothing published, leak guard",
    ),
    ("DST change", "the clock is put forward"): ("ok, published, by the run",),
    ("DST change", "the clock is put back"): ("ok, published, by the run",),
    ("midnight", "UTC and local"): ("ok, published, by the run",),
    ("control host suspended past the guard", "for 18 minutes"): (
        "ok, published, by the run",
        "remote (7), nothing published, by the run",  # asleep while PowerShell was asked to start
        "limit (12), nothing published, by the run",
        "undo (13), nothing published, leak guard",
    ),
    ("control host suspended past the guard", "for 7 hours"): (
        "remote (7), nothing published, by the run",
        "integrity (10), nothing published, by the run",
        "limit (12), nothing published, by the run",
    ),
    ("non-US date format", "day.month.year, 24 hours"): ("ok, published, by the run",),
    ("GPO AllSigned", "set by policy"): ("ok, published, by the run",),
}
