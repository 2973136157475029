"""Shells and commands as WS-Management shows them, member by member as recorded."""

from __future__ import annotations

from xml.sax.saxutils import escape

from .shell import ShellFacts

_RSP = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"P{days}DT{hours}H{minutes}M{rest}S"


def shell(facts: ShellFacts, state: str, age: float, idle: float, *, used: bool = False) -> str:
    """An ``rsp:Shell``; ``used`` adds the memory, which Get and Enumerate show and Create does not.

    MemoryUsed is a constant.
    """
    members = (
        ("ShellId", facts.shell_id),
        ("ResourceUri", facts.resource_uri),
        ("Owner", facts.owner),
        ("ClientIP", facts.client_ip),
        ("ProcessId", str(facts.process_id)),
        ("IdleTimeOut", f"PT{facts.idle_timeout:.3f}S"),
        ("InputStreams", facts.input_streams),
        ("OutputStreams", facts.output_streams),
        ("MaxIdleTimeOut", "PT2147483.647S"),
        ("Locale", "en-US"),
        ("DataLocale", "en-US"),
        ("CompressionMode", "NoCompression"),
        ("ProfileLoaded", "Yes" if facts.profile else "No"),
        ("Encoding", "UTF8"),
        ("BufferMode", "Block"),
        ("State", state),
        ("ShellRunTime", _span(age)),
        ("ShellInactivity", _span(idle)),
        *((("MemoryUsed", "58MB"), ("ChildProcesses", "0")) if used else ()),
    )
    inner = "".join(f"<rsp:{name}>{escape(value)}</rsp:{name}>" for name, value in members)
    return f'<rsp:Shell xmlns:rsp="{_RSP}">{inner}</rsp:Shell>'


def command(command_id: str) -> str:
    """An ``rsp:Command``."""
    return (
        f'<rsp:Command xmlns:rsp="{_RSP}"><rsp:CommandId>{command_id}</rsp:CommandId>'
        "<rsp:CommandLine></rsp:CommandLine><rsp:CommandState>Running</rsp:CommandState></rsp:Command>"
    )


def created(address: str, resource_uri: str, shell_id: str) -> str:
    """The ``x:ResourceCreated`` of a Create."""
    return (
        f"<x:ResourceCreated><a:Address>{escape(address)}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{escape(resource_uri)}</w:ResourceURI><w:SelectorSet>"
        f'<w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
        "</x:ResourceCreated>"
    )
