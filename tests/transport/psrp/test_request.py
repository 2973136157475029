"""Our writer of CREATE_PIPELINE messages against pypsrp's own, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from pypsrp.complex_objects import (
    ApartmentState,
    Command,
    CommandParameter,
    HostInfo,
    Pipeline,
    PipelineResultTypes,
    RemoteStreamOptions,
)
from pypsrp.messages import CreatePipeline
from pypsrp.powershell import Fragmenter
from pypsrp.serializer import Serializer, TaggedValue

from sitekeeper.engine.session import Call
from sitekeeper.transport.psrp.request import Statement, create_pipeline, fragments

POOL = "11111111-2222-3333-4444-555555555555"
PIPELINE = "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"


def as_pypsrp(statements: list[Statement], protocol: str) -> CreatePipeline:
    commands = []
    for statement in statements:
        command = Command(
            statement.call.command,
            protocol_version=protocol,
            is_script=statement.is_script,
            use_local_scope=None,
            end_of_statement=True,
        )
        command.args = [CommandParameter(name=name, value=_wide(value)) for name, value in statement.call.args.items()]
        if statement.merge_errors:
            command.merge_error = PipelineResultTypes(value=PipelineResultTypes.OUTPUT)
            command.merge_my_result = PipelineResultTypes(value=PipelineResultTypes.ERROR)
            command.merge_to_result = command.merge_error
        commands.append(command)
    commands[-1].end_of_statement = False
    pipeline = Pipeline(is_nested=False, cmds=commands, history=None, redirect_err_to_out=False)
    return CreatePipeline(
        True, ApartmentState(value=2), RemoteStreamOptions(value=0), False, HostInfo(host=None), pipeline, False
    )


def _wide(value: Any) -> Any:
    return TaggedValue("I64", value) if type(value) is int and not -(2**31) <= value < 2**31 else value


CASES = {
    "one": [Statement(Call("Get-Service"))],
    "arguments": [
        Statement(
            Call(
                "A",
                {
                    "S": "b<&>\"'\n\x01_x000A_ ü 😀",
                    "L": ["a", "", "c"],
                    "T": True,
                    "N": -5,
                    "Big": 2**40,
                    "E": "",
                    "D": None,
                },
            )
        )
    ],
    "empty list": [Statement(Call("A", {"L": []}))],
    "several": [
        Statement(Call("A", {"L": ["x"]}), merge_errors=True),
        Statement(Call("Write-Output", {"InputObject": "m"})),
        Statement(Call("B", {"L": ["y"]}), merge_errors=True),
    ],
    "script": [
        Statement(Call("function X { 1 }\r\n"), is_script=True),
        Statement(Call("function Y { 2 }"), is_script=True),
    ],
}


@pytest.mark.parametrize("protocol", ["2.1", "2.2", "2.3"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [200, 32_000])
def test_bytes_are_the_same(case: str, protocol: str, size: int) -> None:
    statements = CASES[case]
    fragmenter = Fragmenter(size + 21, Serializer())
    expected = fragmenter.fragment(as_pypsrp(statements, protocol), POOL, PIPELINE)
    ours = fragments(create_pipeline(statements, protocol, 2), POOL, PIPELINE, 1, size)
    assert b"".join(part[21:] for part in ours) == b"".join(part[21:] for part in expected)
    assert ours == expected
