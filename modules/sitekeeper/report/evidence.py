"""What a run proved, for whoever has to show it: one HTML page, one JSON, one JUnit file, and a signature over each.

Made from the run's journal alone, as often as it is asked for: a drill of last year can be shown again, word for word.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from jinja2 import Environment, PackageLoader, StrictUndefined

from sitekeeper.engine import events
from sitekeeper.engine.errors import IntegrityError, SecretError, SpaceError, UsageError
from sitekeeper.engine.journal import journal
from sitekeeper.engine.journal.journal import private_folder
from sitekeeper.engine.journal.records import RunBegun, Told, record_of
from sitekeeper.engine.plain import plain
from sitekeeper.engine.plan import Check
from sitekeeper.report.standing import standing, worst

NAMESPACE = "sitekeeper-evidence"
"""What a signature of ours is for: ssh-keygen refuses it for anything else."""
_MINISIGN = b"untrusted comment:"


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a site."""

    task: str
    module: str
    status: str
    seconds: float
    said: str
    checks: tuple[Check, ...] = ()


@dataclass(slots=True)
class Subject:
    """One site (or other host) of the run."""

    name: str
    status: str = "cut off"
    word: str = ""
    error: str = ""
    seconds: float = 0.0
    plays: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """How each play ended here: status, error, class. A resumed run takes a play up again, and its last end counts."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What it was about: set, age, time to restore, data rate."""
    steps: list[Step] = field(default_factory=list)
    taken_back: list[tuple[bool, str]] = field(default_factory=list)
    """Whether what was made is gone again, and in words."""
    rollback: str = ""
    """How the last rollback of the run ended here, where there was one; it changes nothing of what the run found."""
    rollback_error: str = ""

    @property
    def checks(self) -> list[Check]:
        """All checks of all steps."""
        return [one for step in self.steps for one in step.checks]


@dataclass(frozen=True, slots=True)
class RollbackRecord:
    """A rollback of the run: it took back what was left, and proved nothing."""

    ended: str
    exit_code: int


@dataclass(slots=True)
class Evidence:
    """A run, as it is shown."""

    run: str
    playbook: str
    by: str
    started: str
    tool: str
    limit: str | None = None
    """Which hosts the run was limited to; None: all of its playbook."""
    tags: tuple[str, ...] = ()
    """Only tasks with these were asked for; none named: all."""
    skip_tags: tuple[str, ...] = ()
    ended: str = ""
    seconds: float = 0.0
    exit_code: int | None = None
    """The run's own; None where it was cut off, and rolled back instead of resumed."""
    subjects: list[Subject] = field(default_factory=list)
    rollbacks: list[RollbackRecord] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything that was asked for was proved, of at least one site; those whose turn it was not prove nothing."""
        stand = {one.status for one in self.subjects}
        return self.exit_code == 0 and "ok" in stand and stand <= {"ok", "skipped"}


def of_run(folder: Path) -> Evidence:
    """The evidence of a run that is over: it ended, or was cut off and rolled back.

    Raises:
        UsageError: there is no such run, it was a check, or it has not ended.
        IntegrityError: its journal cannot be read.

    """
    evidence: Evidence | None = None
    head: RunBegun | None = None
    rolling_back = False
    for row in journal.read(folder):
        if row.kind not in {RunBegun.kind, Told.kind}:
            continue
        record = record_of(row)
        if isinstance(record, RunBegun):
            head = record
        if not isinstance(record, Told):
            continue
        event = record.event
        if isinstance(event, events.RunStarted) and evidence is None:
            if head is None:
                raise IntegrityError(f"the journal of {folder.name} has no first record")
            if event.check:
                raise UsageError(f"run {folder.name} was a check: it proved nothing")
            evidence = Evidence(
                event.run,
                event.playbook,
                event.by,
                _written(event.at),
                head.version,
                head.limit,
                head.tags,
                head.skip_tags,
            )
        elif isinstance(event, events.RunStarted):
            rolling_back = False  # a resumed run: its verdict is the run's
        elif isinstance(event, events.PlayStarted) and event.play == events.play_of_rollback(folder.name):
            rolling_back = True
        elif evidence is not None and rolling_back:
            _take_in_rollback(evidence, event)
        elif evidence is not None:
            _take_in(evidence, event)
    if evidence is None or (evidence.exit_code is None and not evidence.rollbacks):
        raise UsageError(f"run {folder.name} has not ended: there is nothing to show yet")
    return evidence


def _take_in(evidence: Evidence, event: events.Event) -> None:
    match event:
        case events.PlayStarted():
            known = {one.name for one in evidence.subjects}
            evidence.subjects += [Subject(host) for host in event.hosts if host not in known]
        case events.TaskEnded():
            step = Step(event.task, event.module, event.status, event.seconds, event.msg, event.checks)
            _subject(evidence, event.host).steps.append(step)
        case events.Undone():
            _subject(evidence, event.host).taken_back.append((event.ok, event.msg))
        case events.HostEnded():
            subject = _subject(evidence, event.host)
            subject.plays[event.play] = (*standing(event), event.word)
            subject.status, subject.error, subject.word = worst(subject.plays.values())
            subject.seconds += event.seconds
            subject.facts.update({name: value for name, value in event.summary.items() if name != "skipped"})
        case events.RunEnded():
            evidence.ended, evidence.exit_code = _written(event.at), event.exit_code
            evidence.seconds += event.seconds
        case _:
            pass


def _take_in_rollback(evidence: Evidence, event: events.Event) -> None:
    """What a rollback did stands beside what the run found, and never in its place."""
    match event:
        case events.Undone():
            _subject(evidence, event.host).taken_back.append((event.ok, event.msg))
        case events.HostEnded():
            subject = _subject(evidence, event.host)
            subject.rollback, subject.rollback_error = event.status, event.error
        case events.RunEnded():
            evidence.rollbacks.append(RollbackRecord(_written(event.at), event.exit_code))
        case _:
            pass


def _subject(evidence: Evidence, host: str) -> Subject:
    for one in evidence.subjects:
        if one.name == host:
            return one
    evidence.subjects.append(Subject(host))
    return evidence.subjects[-1]


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def write(evidence: Evidence, folder: Path, key: Path | None = None) -> list[Path]:
    """Write all files, sign them with ``key``, and answer them.

    Raises:
        SpaceError: the folder cannot be written. SecretError: the key does not sign.

    """
    name = f"evidence-{evidence.run}"
    texts = {
        f"{name}.html": as_html(evidence),
        f"{name}.json": json.dumps(plain(asdict(evidence)) | {"passed": evidence.passed}, indent=1, ensure_ascii=False),
        f"{name}.junit.xml": as_junit(evidence),
    }
    try:
        private_folder(folder)
        files = []
        for file, text in texts.items():
            (folder / file).write_text(text + "\n", encoding="utf-8")
            files.append(folder / file)
    except OSError as error:
        raise SpaceError(f"the evidence cannot be written into {folder}: {error.strerror}") from None
    return files if key is None else [*files, *(sign(file, key) for file in files)]


def sign(file: Path, key: Path) -> Path:
    """Sign a file with an OpenSSH or a minisign key, by the public tool; answers the signature's file.

    Raises:
        UsageError: the tool is not installed. SecretError: there is no such key, or it wants a passphrase that nobody can give.

    """
    try:
        with key.open("rb") as handle:
            minisign = handle.read(len(_MINISIGN)) == _MINISIGN
    except OSError as error:
        raise SecretError(f"the signing key {key} cannot be read: {error.strerror}") from None
    signature = file.with_name(f"{file.name}.{'minisig' if minisign else 'sig'}")
    signature.unlink(missing_ok=True)  # ssh-keygen asks before it overwrites one
    tool = "minisign" if minisign else "ssh-keygen"
    if shutil.which(tool) is None:
        raise UsageError(f"{tool} is not installed, and the evidence is to be signed with it")
    words = (
        ["minisign", "-S", "-q", "-s", str(key), "-m", str(file), "-x", str(signature)]
        if minisign
        else ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)]
    )
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - fixed tool, no shell
    if done.returncode or not signature.is_file():
        raise SecretError(
            f"{tool} did not sign {file.name} with {key}: {done.stderr.strip() or f'exit code {done.returncode}'}",
            hint="the key must need no passphrase, or (ssh) be held by an agent: then give its .pub file",
        )
    return signature


def as_html(evidence: Evidence) -> str:
    """One page, without anything that is loaded from elsewhere."""
    world = Environment(
        loader=PackageLoader("sitekeeper.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return world.get_template("evidence.html.j2").render(evidence=evidence)


def as_junit(evidence: Evidence) -> str:
    """A test suite a site: a case for every task, and one for every check of it."""
    root = ET.Element("testsuites", name=evidence.run, time=f"{evidence.seconds:.3f}")
    for subject in evidence.subjects:
        suite = ET.SubElement(
            root, "testsuite", name=subject.name, time=f"{subject.seconds:.3f}", timestamp=evidence.started
        )
        counts = {"tests": 0, "failures": 0, "skipped": 0}
        for case, outcome in _cases(subject):
            counts["tests"] += 1
            if outcome is not None:
                counts["failures" if outcome.tag == "failure" else "skipped"] += 1
                case.append(outcome)
            suite.append(case)
        suite.attrib.update({name: str(number) for name, number in counts.items()})
    if not evidence.passed and root.find(".//failure") is None:
        # No site failed, and yet the run proved nothing: who reads only this file must not take it for a success.
        suite = ET.SubElement(root, "testsuite", name="the run", tests="1", failures="1", skipped="0")
        case = ET.SubElement(suite, "testcase", classname="the run", name="the whole")
        cut_off = evidence.exit_code is None
        ET.SubElement(case, "failure", message="cut off" if cut_off else f"not passed, exit code {evidence.exit_code}")
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _cases(subject: Subject) -> Iterator[tuple[ET.Element, ET.Element | None]]:
    for step in subject.steps:
        case = ET.Element("testcase", classname=subject.name, name=step.task, time=f"{max(step.seconds, 0):.3f}")
        yield case, _outcome(step.status, step.said)
        for check in step.checks:
            named = f"{step.task}: {check.name}"
            said = " ".join(part for part in (check.said, check.consequence) if part)
            yield (
                ET.Element("testcase", classname=subject.name, name=named, time="0"),
                _outcome(check.status, said),
            )
    if subject.status != "ok":
        # Whatever it was that went wrong outside of a task (a connection, an undo) must not get lost among passed cases.
        case = ET.Element("testcase", classname=subject.name, name="the whole", time=f"{subject.seconds:.3f}")
        outcome = ET.Element("skipped" if subject.status == "skipped" else "failure")
        outcome.set("message", f"{subject.status} {subject.word}".strip())
        outcome.text = subject.error
        yield case, outcome
    if subject.rollback:
        case = ET.Element("testcase", classname=subject.name, name="rollback", time="0")
        yield case, None if subject.rollback == "rolled back" else _outcome("failed", subject.rollback_error)


def _outcome(status: str, said: str) -> ET.Element | None:
    kinds: Mapping[str, Iterable[str]] = {"failure": ("failed",), "skipped": ("skipped", "unknown", "ignored")}
    for kind, words in kinds.items():
        if status in words:
            found = ET.Element(kind, message=said.split("\n", maxsplit=1)[0])
            found.text = said
            return found
    return None
