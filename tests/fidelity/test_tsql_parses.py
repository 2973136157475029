"""Microsoft's own T-SQL parser reads our statements, as every version that they are for would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sitekeeper.sql.server import queries, statements, status_messages

from .counting import Row, count

SCRIPT = r"""
$ErrorActionPreference = 'Stop'
Add-Type -Path $env:SITEKEEPER_SCRIPTDOM
$space = 'Microsoft.SqlServer.TransactSql.ScriptDom'
foreach ($case in [Console]::In.ReadToEnd() | ConvertFrom-Json) {
    $parser = New-Object "$space.TSql$($case.version)Parser" $true
    $errors = $null
    [void]$parser.Parse((New-Object IO.StringReader $case.sql), [ref]$errors)
    foreach ($each in $errors) { "$($case.name) $($case.version): line $($each.Line): $($each.Message)" }
}
'done'
"""
VERSIONS = (90, 100, 110, 120, 130, 140, 150, 160, 170)


def _complaints(statements: dict[str, str], versions: tuple[int, ...]) -> list[str]:
    pwsh = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
    if pwsh is None:
        pytest.skip("no PowerShell: neither SITEKEEPER_PWSH nor pwsh on PATH")
    library = os.environ.get("SITEKEEPER_SCRIPTDOM")
    if library is None:
        beside = Path(pwsh).resolve().parent / "lib" / "Microsoft.SqlServer.TransactSql.ScriptDom.dll"
        if not beside.is_file():
            pytest.skip("no ScriptDom: SITEKEEPER_SCRIPTDOM is not set")
        library = str(beside)
    cases = [
        {"name": name, "version": version, "sql": re.sub(r"\?", "@p", sql)}
        for name, sql in statements.items()
        for version in versions
    ]
    done = subprocess.run(
        [pwsh, "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", SCRIPT],
        input=json.dumps(cases),
        env={**os.environ, "SITEKEEPER_SCRIPTDOM": library},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    *complaints, last = done.stdout.split("\n")[:-1]
    assert last.strip() == "done", done.stdout + done.stderr
    return complaints


def test_the_facts_queries_are_t_sql_of_every_version() -> None:
    counts = queries.row_counts(["Sites", "odd ]name'"], database="CM_ABC")
    statements = {
        **queries.STATEMENTS,
        **queries.WHOLE_DATABASES,
        **queries.SINCE_2008,
        "row_counts": counts,
        "newest": status_messages.NEWEST,
        "since": status_messages.SINCE,
        "site_rows": queries.site_rows("CM_ABC"),
        "last_message": queries.last_message("CM_ABC"),
        "last_message_until": queries.last_message_until("CM_ABC"),
        "first_message": queries.first_message("CM_ABC"),
        "messages": queries.messages("CM_ABC"),
    }
    assert _complaints(statements, VERSIONS) == []
    count(Row.TSQL, len(statements) * len(VERSIONS), f"{len(statements)} x {len(VERSIONS)}")


def test_the_statements_on_whole_databases_are_t_sql_of_every_version() -> None:
    name, path = "sk_PR1_20261126-1", "D:\\Drill\\it's.mdf"
    since_2005 = {
        "attach": statements.attach(name, [path, path]),
        "single_user": statements.single_user(name),
        "drop": statements.drop(name),
        "backup": statements.backup(name, path, "label", compressed=False),
        "header": statements.header(path),
        "file_list": statements.file_list(path),
        "verify": statements.verify(path),
        "restore": statements.restore(name, path, {"a": path, "odd ]'": path}),
        "checkdb": statements.checkdb(name),
        "own": statements.change_owner(name, "sa"),
        "configure": ";".join(statements.configure("clr enabled", 1)),
        "trust": statements.set_option(name, "TRUSTWORTHY ON"),
        "broker": statements.set_option(name, "ENABLE_BROKER WITH ROLLBACK IMMEDIATE"),
    }
    since_2008 = {
        "compressed": statements.backup(name, path, "label", compressed=True),
        "priority": statements.set_option(name, "HONOR_BROKER_PRIORITY ON"),
    }
    assert _complaints(since_2005, VERSIONS) == []
    assert _complaints(since_2008, VERSIONS[1:]) == []
    count(Row.TSQL, len(since_2005) * len(VERSIONS), f"{len(since_2005)} x {len(VERSIONS)}")


def test_the_parser_would_complain() -> None:
    assert (
        len(_complaints({"wrong": "SELECT FROM WHERE", "newer": "SELECT a FROM t ORDER BY a OFFSET 1 ROWS"}, (90,)))
        == 2
    )
    count(Row.PLANTED, 1, "T-SQL that 2005 lacks")
