"""Several reading commands in one pipeline: a marker after each separates their output and errors."""

from __future__ import annotations

import secrets as random_bytes
from collections.abc import Callable, Sequence
from typing import Any

from sitekeeper.engine.errors import ErrorRecord
from sitekeeper.engine.session import Answer, Call
from sitekeeper.transport.psrp.request import Statement


class Batch:
    """Calls as the statements of a pipeline, and their answers from the pipeline's output."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._marker = f"sk:{random_bytes.token_hex(8)}:"

    def statements(self, allowed: Callable[[Call], Call]) -> list[Statement]:
        """Each call with its errors merged into its output, followed by its marker; ``allowed`` checks every call first."""
        found: list[Statement] = []
        for number, call in enumerate(self._calls):
            found.append(Statement(allowed(call), merge_errors=True))
            found.append(Statement(Call("Write-Output", {"InputObject": f"{self._marker}{number}"})))
        return found

    def answers(self, output: Sequence[Any], strays: list[ErrorRecord]) -> tuple[list[Answer], ErrorRecord | None]:
        """The answer of each call. ``strays``: records outside the output (a parameter that cannot be bound).

        The second result is a record that belongs to no call: a failure that must not be ignored.
        """
        calls = self._calls
        answers: list[Answer] = []
        ours: list[Any] = []
        errors: list[ErrorRecord] = []
        for value in output:
            if isinstance(value, ErrorRecord):
                errors.append(value)
            elif isinstance(value, str) and value.startswith(self._marker):
                number = int(value.removeprefix(self._marker))
                while len(answers) < number:
                    answers.append(Answer((), (_build_no_answer(calls[len(answers)].command),)))
                answers.append(Answer(tuple(ours), tuple(errors)))
                ours, errors = [], []
            else:
                ours.append(value)
        if len(answers) < len(calls):  # the pipeline ended in the middle, by the last record
            ending = strays.pop() if strays else None
            while len(answers) < len(calls):
                record = ending or _build_no_answer(calls[len(answers)].command)
                answers.append(Answer(tuple(ours), (*errors, record)))
                ours, errors = [], []
        return answers, _attribute(answers, strays)


def _attribute(answers: list[Answer], strays: list[ErrorRecord]) -> ErrorRecord | None:
    """Give stray records to the calls without output; return one if there is no such call.

    If it is not certain which call they belong to, each of these calls gets them: no failure may look like an empty answer.
    """
    if not strays:
        return None
    silent = [number for number, one in enumerate(answers) if not one.output and not one.errors]
    if not silent:
        return strays[0]
    for place, number in enumerate(silent):
        own = (strays[place],) if len(strays) == len(silent) else tuple(strays)
        answers[number] = Answer((), own)
    return None


def _build_no_answer(command: str) -> ErrorRecord:
    return ErrorRecord(f"{command} returned nothing", "SkNoAnswer", 0)
