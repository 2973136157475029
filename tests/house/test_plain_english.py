"""No phrase of a private dialect in what a user reads: messages, help, titles of tasks, README and docs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BANNED = {
    r"\b(take|takes|taken|taking|took) (it |them |that )?back\b": "undo",
    r"\b(take|takes|taken|taking|took) (it |them |that )?away\b": "delete, remove",
    r"\b(give|gives|given|giving|gave) (it |them )?back\b": "release",
    r"(?<!\bthere )\b(is|was) no (?!longer\b|more\b)": "is not, does not exist",
    r"\bare none\b": "are not, do not exist",
    r"\bis nothing (that|which)\b": "is not",
    r"\b[Tt]hat (it|they) cannot\b": "say it directly: it cannot ...",
    r"\b(its|the|a|of the|no|whose) heads?\b(?!\.json|`)": "header",
    r"\bfeeds (?!:)": "valid for",
    r"\banswered well\b": "checks passed",
    r"\b(end|ends|ended|ending) well\b": "finished",
    r"\bleft (nothing )?behind\b": "still open, interrupted",
    r"\b(is|are|was|were|left|yet|still) to come\b": "to copy, to transfer",
    r"\bto come(,|;|$)": "to copy, to transfer",
    r"\banew\b": "again, start over",
    r"\bwhole (set|backup)\b": "complete",
    r"\bno whole\b": "not complete",
    r"\bwhat we believe\b|\bbeliefs?\b|\bwe believe\b": "assumption",
    r"\bworth less\b": "completed with less than requested",
    r"\bmend(s|ed)?\b": "fix",
    r"\bmakes no\b": "does not make",
    r"\bknows no\b": "does not know",
    r"\b(sets?|copies|copy|links?|folders?|files?|guards?|shares?) (is|are|was|were|has been|have been)? ?dropped\b": "deleted",
    r"\bdrops? (our|old|the oldest|a set|sets|its|shadow)\b": "delete",
    r"\bsays no\b": "refuses",
    r"\bnames of files are written\b": "the locale's encoding",
    r"\bwas drilled never\b": "never drilled",
    r"\bwho sits\b": "user@host",
    r"\bwhich takes a while\b": "this may take a while",
    r"\bgoes by\b": "uses",
    r"\bgo without\b|\bgoes without\b": "does without",
}
"""A pattern, and what to write."""
ALLOWED: set[tuple[str, str]] = set()
"""A file, and a text of it that may stay."""


def strings_of(source: str) -> Iterator[tuple[int, str]]:
    """Every text with a space in it that is no docstring: line, text (with ``{}`` for what an f-string puts in)."""
    tree = ast.parse(source)
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr):
            silent.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
        if " " in text:
            yield getattr(node, "lineno", 0), text


def titles_of(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (str(text) for key, text in value.items() if key == "name" and isinstance(text, str))
        for one in value.values():
            yield from titles_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from titles_of(one)


def texts() -> Iterator[tuple[str, int, str]]:
    """File, line and text of everything that a user reads."""
    for file in sorted((ROOT / "modules/sitekeeper").rglob("*.py")):
        for line, text in strings_of(file.read_text()):
            yield str(file.relative_to(ROOT)), line, text
    for file in sorted((ROOT / "playbooks").glob("*.yml")):
        for text in titles_of(yaml.safe_load(file.read_text())):
            yield str(file.relative_to(ROOT)), 0, text
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for number, row in enumerate(page.read_text().splitlines(), 1):
            yield str(page.relative_to(ROOT)), number, row


def banned_in(text: str) -> list[str]:
    return [f"`{found.group()}`: {better}" for bad, better in BANNED.items() if (found := re.search(bad, text))]


def test_nothing_that_a_user_reads_is_in_dialect() -> None:
    wrong = [
        f"{file}:{line}: {problem}\n    {text.strip()[:160]}"
        for file, line, text in texts()
        for problem in banned_in(text)
        if not any(file == allowed and part in text for allowed, part in ALLOWED)
    ]
    assert not wrong, f"{len(wrong)} phrases:\n" + "\n".join(wrong)


def test_every_exception_is_still_needed() -> None:
    used = {(file, part) for file, _, text in texts() for allowed, part in ALLOWED if file == allowed and part in text}
    assert used == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        'raise SpaceError(f"{path} is no folder")',
        'help="undo what was taken back"',
        'text = f"{size} bytes are to come"',
        'parser.add_argument("--x", help="the set, of a sealed one its head")',
    ],
)
def test_a_planted_phrase_is_found(source: str) -> None:
    assert [problem for _, text in strings_of(source) for problem in banned_in(text)]


def test_what_is_no_message_is_not_read() -> None:
    assert not list(strings_of('"""That it cannot be written, commit says."""\nname = "feeds"\n'))
