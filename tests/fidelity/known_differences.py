"""Where the lab is known to answer otherwise than recorded Windows, and why it stays so.

Each entry is (kind of answer, field), as patterns of ``fnmatch``. One that fits no difference any more fails its test.
"""

from __future__ import annotations

NOT_FOLLOWED = {
    "psrp-get-command-metadata": "GET_COMMAND_METADATA is not emulated: our client never sends it",
    "psrp-key-exchange-timeout": "session keys are not emulated: no SecureString is ever sent",
    "psrp-multiple-commands": "session keys are not emulated",
    "psrp-pshost-raw-ui-mocked-methods": "host calls are not emulated: our client says that it has no host",
    "psrp-pshost-ui-mocked-methods": "host calls are not emulated",
    "psrp-reset-runspace-state": "RESET_RUNSPACE_STATE is not emulated: a lost shell is opened anew",
    "psrp-reset-runspace-state-fail": "RESET_RUNSPACE_STATE is not emulated",
}
"""Dialogues that the lab refuses to follow, by a fault that says so."""

OLD_CLIENT = {
    "psrp-small-msg-size": "its client wrote the pipeline's id in another byte order than the Command's, and the message in two "
    "pieces: Windows goes by the Command's id, the lab by the message's",
}
"""Dialogues that stop in the middle for another reason."""

_WHERE = "where a command stood and how it was called: the engine does not tell, and nothing of ours reads it"
_STACK = "what .NET says of its own frames; nothing of ours reads it"
_OWN_MEMBERS = "members of one kind of exception; an engine tells its message, id, category and target"
_RECORDS = "Windows sends records of that stream, the lab none: our client leaves them out"

WIRE = {
    ("*", "/s:Envelope/s:Header/p:ActivityId"): "comes and goes on one and the same Windows",
    ("Get", "status"): "a shell is deleted when its idle time-out is over; Windows lets it be for some seconds more",
    (
        "Receive",
        "status",
    ): "Windows may send SESSION_CAPABILITY alone; the lab has then said everything one answer earlier",
}
"""Differences of envelopes."""

MESSAGES = {
    ("APPLICATION_PRIVATE_DATA", "number"): "Windows tells a client that connects anew once more; ours never does",
    ("RUNSPACEPOOL_STATE", "number"): "the lab tells a client that connects anew; ours never does",
    ("0x00041007", "number"): _RECORDS,
    ("0x00041008", "number"): _RECORDS,
    ("0x00041010", "number"): _RECORDS,
    ("0x00041011", "number"): _RECORDS,
    ("0x00041100", "number"): "a call to the client's host, which the lab never makes",
    ("*", "*InvocationInfo*"): _WHERE,
    ("*", "*CommandInfo_*"): _WHERE,
    ("*", "*PipelineIterationInfo*"): _WHERE,
    ("*", "*SerializeExten*"): _WHERE,
    ("*", "*ErrorDetails_ScriptStackTrace"): _WHERE,
    ("*", "*Exception/StackTrace"): _STACK,
    ("*", "*Exception/TargetSite"): _STACK,
    ("*", "*Exception/Source"): _STACK,
    ("*", "*Exception:text"): _STACK,
    ("*", "*Exception/Data/System.Management.Automation.Interpreter*"): _STACK,
    ("*", "*Exception/CommandName"): _OWN_MEMBERS,
    ("*", "*Exception/Errors"): _OWN_MEMBERS,
    ("*", "*Exception/ItemName"): _OWN_MEMBERS,
    ("*", "*Exception/SessionStateCategory"): _OWN_MEMBERS,
}
"""Differences of PSRP messages."""

_SYSTEM = """AutomaticManagedPagefile BootOptionOnLimit BootOptionOnWatchDog BootStatus ChassisSKUNumber FrontPanelResetStatus
HypervisorPresent InitialLoadInfo KeyboardPasswordStatus LastLoadInfo NameFormat OEMLogoBitmap OEMStringArray PCSystemType
PCSystemTypeEx PowerManagementCapabilities PowerManagementSupported PowerOnPasswordStatus PowerState PowerSupplyState
PrimaryOwnerContact ResetCapability ResetCount ResetLimit SupportContactDescription SystemFamily SystemSKUNumber
SystemStartupDelay SystemStartupOptions SystemStartupSetting ThermalState WakeUpType __PROPERTY_COUNT order"""
_LEFT_OUT = "of Win32_ComputerSystem the lab has what somebody reads; the others came and went with the releases"
OBJECTS = {
    **{("Win32_ComputerSystem", f"*{name}"): _LEFT_OUT for name in _SYSTEM.split()},
    ("Win32_ComputerSystem", "//BootStatus*"): _LEFT_OUT,
    ("Win32_ComputerSystem", "//OEMStringArray*"): _LEFT_OUT,
    ("Service", "//ServicesDependedOn/1"): "the driver HTTP: the lab has no drivers",
    ("Service", "//ServicesDependedOn:LST"): "the driver HTTP: the lab has no drivers",
}
"""Differences of objects."""

TOOLS = {
    ("diskshadow with writers", 'Excluding writer "Shadow Copy Optimization Writer"*'): "the lab has no such writer",
    ("diskshadow with writers", "Inserted file Dis*.tmp into .cab file test.cab"): "what is in that file is not known",
    ("diskshadow*", "->"): "an empty line at the end of those scripts",
    ("sc query", "DISPLAY_NAME: Test"): "the recorded query was for all services; with a name the line is left out",
}
"""Differences of what tools print, line by line."""
