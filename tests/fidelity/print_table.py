"""Prints what ``make fidelity`` counted, and names what was skipped and why."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from tests.fidelity.counting import Row


def main(counts: Path, junit: Path) -> None:
    """The table of ``counts.jsonl``, and the skipped tests of a JUnit file."""
    numbers: dict[str, int] = defaultdict(int)
    notes: dict[str, list[str]] = defaultdict(list)
    for line in counts.read_text().splitlines() if counts.is_file() else []:
        one = json.loads(line)
        numbers[one["row"]] += one["number"]
        if one["note"]:
            notes[one["row"]].append(one["note"])
    width = max(len(row.value) for row in Row)
    for row in Row:
        shown = str(numbers[row.value]) if row.value in numbers else "not run"
        print(f"{row.value:<{width}}  {shown:>8}  {'; '.join(sorted(set(notes[row.value])))}".rstrip())
    skipped: dict[str, int] = defaultdict(int)
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - pytest wrote it
        for skip in case.iter("skipped"):
            skipped[str(skip.get("message"))] += 1
    for reason, number in sorted(skipped.items()):
        print(f"skipped: {number} x {reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
