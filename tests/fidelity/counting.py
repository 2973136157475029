"""What the fidelity tests count for ``make fidelity``: how much was really checked, by something that we did not write."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path

COUNTS = "SITEKEEPER_FIDELITY"
"""Environment variable: the file that counts are appended to. Without it nothing is written down."""


class Row(StrEnum):
    """The rows of the table, in its order."""

    PARSED = "scripts parsed by PowerShell's own parser"
    OLD = "PowerShell 2.0 violations"
    CMDLETS = "cmdlets and parameters checked against Windows' own"
    TSQL = "T-SQL statements x versions, by Microsoft's parser"
    CONTRACT = "contract cases x engines"
    JEA = "JEA: calls of a whole backup in a NoLanguage session"
    ATTACKS = "JEA: attacks refused"
    REPLAYED = "recorded dialogues of real Windows replayed"
    TRANSCRIPTS = "recorded transcripts and files parsed"
    COMPARED = "lab answers compared with recordings, fields"
    CLIENTS = "foreign clients of the lab's WSMan and TDS"
    PYPSRP = "pypsrp's own live tests that pass against the lab"
    KERBEROS = "Kerberos logins with a real KDC"
    PLANTED = "planted mistakes caught"


def count(row: Row, number: int, note: str = "") -> None:
    """Write down that so many were checked; a test calls it when it has passed."""
    if file := os.environ.get(COUNTS):
        with Path(file).open("a") as out:
            out.write(json.dumps({"row": row.value, "number": number, "note": note}) + "\n")
