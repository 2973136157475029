"""The server's messages against what real servers sent, word for word."""

from __future__ import annotations

import re

from sitekeeper_lab.engines.api import ErrorRecord
from sitekeeper_lab.wsman import records

_DATA = (
    '<TN RefId="2"><T>System.Collections.ListDictionaryInternal</T><T>System.Object</T></TN><DCT /></Obj>'
    '<Nil N="InnerException" /><Nil N="TargetSite" /><Nil N="StackTrace" /><Nil N="HelpLink" /><Nil N="Source" />'
)
# Windows Server 2016: Write-Error 'error stream', without its InvocationInfo and stack trace
_WRITTEN = (
    '<Obj RefId="0"><TN RefId="0"><T>System.Management.Automation.ErrorRecord</T><T>System.Object</T></TN>'
    '<ToString>error stream</ToString><MS><B N="writeErrorStream">true</B><Obj N="Exception" RefId="1"><TN RefId="1">'
    "<T>Microsoft.PowerShell.Commands.WriteErrorException</T><T>System.SystemException</T><T>System.Exception</T>"
    "<T>System.Object</T></TN><ToString>Microsoft.PowerShell.Commands.WriteErrorException: error stream</ToString>"
    '<Props><S N="Message">error stream</S><Obj N="Data" RefId="2">' + _DATA + '<I32 N="HResult">-2146233087</I32>'
    '</Props></Obj><Nil N="TargetObject" /><S N="FullyQualifiedErrorId">'
    'Microsoft.PowerShell.Commands.WriteErrorException</S><Nil N="InvocationInfo" />'
    '<I32 N="ErrorCategory_Category">0</I32><S N="ErrorCategory_Activity">Write-Error</S>'
    '<S N="ErrorCategory_Reason">WriteErrorException</S><S N="ErrorCategory_TargetName"></S>'
    '<S N="ErrorCategory_TargetType"></S>'
    '<S N="ErrorCategory_Message">NotSpecified: (:) [Write-Error], WriteErrorException</S>'
    '<B N="SerializeExtendedInfo">false</B><Nil N="PSMessageDetails" /></MS></Obj>'
)
# Windows Server 2019: throw "The path at ...", likewise
_PATH = "The path at 'C:\\fakefile.txt' does not exist"
_THROWN = (
    '<Obj RefId="0"><MS><I32 N="PipelineState">5</I32><Obj N="ExceptionAsErrorRecord" RefId="1"><TN RefId="0">'
    "<T>System.Management.Automation.ErrorRecord</T><T>System.Object</T></TN><ToString>PATH</ToString><MS>"
    '<Obj N="Exception" RefId="2"><TN RefId="1"><T>System.Management.Automation.RuntimeException</T>'
    "<T>System.SystemException</T><T>System.Exception</T><T>System.Object</T></TN>"
    '<ToString>System.Management.Automation.RuntimeException: PATH</ToString><Props><S N="ErrorRecord">PATH</S>'
    '<B N="WasThrownFromThrowStatement">true</B><S N="Message">PATH</S><Obj N="Data" RefId="3">' + _DATA + ""
    '<I32 N="HResult">-2146233087</I32></Props></Obj><S N="TargetObject">PATH</S>'
    '<S N="FullyQualifiedErrorId">PATH</S><Nil N="InvocationInfo" /><I32 N="ErrorCategory_Category">14</I32>'
    '<S N="ErrorCategory_Activity"></S><S N="ErrorCategory_Reason">RuntimeException</S>'
    '<S N="ErrorCategory_TargetName">PATH</S><S N="ErrorCategory_TargetType">String</S><S N="ErrorCategory_Message">'
    "OperationStopped: (The path at 'C:... does not exist:String) [], RuntimeException</S>"
    '<B N="SerializeExtendedInfo">false</B></MS></Obj></MS></Obj>'
).replace("PATH", _PATH)
# Windows Server 2008 R2 and 2016: ApplicationPrivateData
_TABLE_2008_R2 = (
    '<Obj RefId="0"><MS><Obj N="ApplicationPrivateData" RefId="1"><TN RefId="0">'
    "<T>System.Management.Automation.PSPrimitiveDictionary</T><T>System.Collections.Hashtable</T><T>System.Object</T>"
    '</TN><DCT><En><S N="Key">PSVersionTable</S><Obj N="Value" RefId="2"><TNRef RefId="0" /><DCT>'
    '<En><S N="Key">WSManStackVersion</S><Version N="Value">2.0</Version></En>'
    '<En><S N="Key">PSCompatibleVersions</S><Obj N="Value" RefId="3"><TN RefId="1"><T>System.Version[]</T>'
    "<T>System.Array</T><T>System.Object</T></TN><LST><Version>1.0</Version><Version>2.0</Version></LST></Obj></En>"
    '<En><S N="Key">BuildVersion</S><Version N="Value">6.1.7601.17514</Version></En>'
    '<En><S N="Key">PSVersion</S><Version N="Value">2.0</Version></En>'
    "</DCT></Obj></En></DCT></Obj></MS></Obj>"
)


def test_a_written_error() -> None:
    kind = "Microsoft.PowerShell.Commands.WriteErrorException"
    record = ErrorRecord("error stream", kind, exception_type=kind, activity="Write-Error")
    assert records.error_record(record) == _WRITTEN
    assert records.error_record(record, hresult=False) == re.sub(r'<I32 N="HResult">-\d+</I32>', "", _WRITTEN)


def test_a_thrown_text() -> None:
    kind = "System.Management.Automation.RuntimeException"
    record = ErrorRecord(_PATH, _PATH, category=14, exception_type=kind, target=_PATH)
    assert records.pipeline_state(5, record) == _THROWN
    assert records.pipeline_state(4) == '<Obj RefId="0"><MS><I32 N="PipelineState">4</I32></MS></Obj>'


def test_the_version_table() -> None:
    versions = {"WSManStackVersion": "2.0", "PSCompatibleVersions": "1.0, 2.0", "BuildVersion": "6.1.7601.17514"}
    assert records.application_private_data({**versions, "PSVersion": "2.0"}) == _TABLE_2008_R2
    derived = records.application_private_data({"PSVersion": "5.1.14393.2248"})
    listed = re.findall(r"<Version>(.*?)</Version>", derived)
    assert listed == ["1.0", "2.0", "3.0", "4.0", "5.0", "5.1.14393.2248"]


def test_a_warning() -> None:
    assert records.warning_record("warning stream") == (
        '<Obj RefId="0"><TN RefId="0"><T>System.Management.Automation.WarningRecord</T>'
        "<T>System.Management.Automation.InformationalRecord</T><T>System.Object</T></TN>"
        '<ToString>warning stream</ToString><MS><S N="InformationalRecord_Message">warning stream</S>'
        '<B N="InformationalRecord_SerializeInvocationInfo">false</B></MS></Obj>'
    )
