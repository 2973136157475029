"""The recorded dialogues by name: what our session code must make of each, or why it does not read it."""

from __future__ import annotations

WRITE_ERROR = "Microsoft.PowerShell.Commands.WriteErrorException"
_2008R2, _2012R2, _1803, _INSIDER = "2.0", "4.0", "5.1.17134.1", "5.1.26236.5000"
_2016, _2016B = "5.1.14393.2248", "5.1.14393.2879"
_2019, _2019B = "5.1.17763.1971", "5.1.17763.771"

# Each dialogue: the host's PowerShell, and of each pipeline how many objects and which errors came of it.
POOLS: dict[str, tuple[str, list[tuple[int, list[str]]]]] = {
    "client-copy-expand-vars": (_2019, [(1, []), (1, [])]),
    "client-copy-file": (_2019, [(1, []), (1, [])]),
    "client-copy-file-empty": (_2019, [(1, [])]),
    "client-copy-file-failure": (_2019, [(0, ["thrown"])]),
    "client-copy-file-really-large": (_2019, [(1, [])]),
    "client-copy-file-warning": (_2019, [(1, [])]),
    "client-execute-ps": (_2016, [(8, [])]),
    "client-execute-ps-environment": (_2016B, [(41, [])]),
    "client-execute-ps-failure": (
        _2016,
        [(0, ["CommandNotFoundException,Microsoft.PowerShell.Commands.InvokeExpressionCommand"])],
    ),
    "client-fetch-file": (_2019B, [(2, [])]),
    "client-fetch-file-expand-vars": (_2019B, [(2, [])]),
    "client-fetch-file-fail-dir": (_2019B, [(0, ["thrown"])]),
    "client-fetch-file-fail-missing": (_2019B, [(0, ["thrown"])]),
    "client-fetch-file-hash-mismatch": (_2019B, [(2, [])]),
    "psrp-application-args": (_2016, [(1, [])]),
    "psrp-clear-commands": (_2016, [(1, [])]),
    "psrp-disconnect-runspaces": (_2016, []),
    "psrp-disconnected-commands": (_2016, [(2, []), (2, [])]),
    "psrp-error-failed": (_2016, [(1, [WRITE_ERROR])]),
    "psrp-get-command-metadata": (_1803, [(4, []), (3, []), (3, [])]),
    "psrp-is-alive-http-error": (_INSIDER, []),
    "psrp-is-alive-invalid-selectors": (_INSIDER, []),
    "psrp-is-alive-other-wsman-error": (_INSIDER, []),
    "psrp-is-alive-state-disconnected": (_INSIDER, []),
    "psrp-key-exchange-timeout": (_2016, []),
    "psrp-long-running-cmdlet": (_2016, [(1, [])]),
    "psrp-merge-commands": (_2016, [(7, [WRITE_ERROR])]),
    "psrp-multiple-commands": (_2016, [(7, [])]),
    "psrp-multiple-invocations": (_INSIDER, [(1, []), (1, [])]),
    "psrp-nested-command": (_2016, [(1, [])]),
    "psrp-no-profile": (_INSIDER, [(1, [])]),
    "psrp-open-runspace": (_2016, []),
    "psrp-pshost-methods": (_2016, [(1, [])]),
    "psrp-pshost-raw-ui-mocked-methods": (_2016, [(17, [])]),
    "psrp-pshost-ui-mocked-methods": (_2016, [(5, [])]),
    "psrp-receive-failure": (_2016, []),
    "psrp-reset-runspace-state": (_2016, [(1, []), (0, [])]),
    "psrp-reset-runspace-state-fail": (_2016, []),
    "psrp-run-protocol-version-2.1": (_2008R2, [(4, [])]),
    "psrp-run-protocol-version-2.2": (_2012R2, [(4, [])]),
    "psrp-run-protocol-version-2.3": (_2016, [(4, [])]),
    "psrp-set-runspaces": (_2016, []),
    "psrp-small-msg-size": (_2016, [(3, [])]),
    "psrp-stream-no-output-invocation": (_2016, [(1, [WRITE_ERROR])]),
    "psrp-stream-output-invocation": (_2016, [(1, [WRITE_ERROR])]),
    "psrp-with-history": (_2016, [(2, []), (1, [])]),
    "psrp-with-input": (_2016, [(4, [])]),
    "psrp-with-jea-configuration": (
        _2016,
        [(1, []), (0, ["ProviderNotFound,Microsoft.PowerShell.Commands.GetItemCommand", "ScriptsNotAllowed"])],
    ),
    "psrp-with-no-history": (_2016, [(2, []), (0, [])]),
}
# Answers that our client does not fetch, because it never sends what brings them about.
UNASKED: dict[str, tuple[int, str]] = {
    "psrp-disconnect-runspaces": (2, "the state of a pool that a second client connected to"),
    "psrp-disconnected-commands": (2, "the same"),
    "psrp-key-exchange-timeout": (1, "a session key: no SecureString is ever sent"),
    "psrp-multiple-commands": (1, "a session key"),
    "psrp-pshost-ui-mocked-methods": (1, "a session key"),
    "psrp-receive-failure": (1, "read below: a fault of a Receive without its Command"),
    "psrp-reset-runspace-state": (1, "a reset runspace"),
    "psrp-reset-runspace-state-fail": (1, "a reset runspace"),
    "psrp-set-runspaces": (6, "the size of a pool: ours have one runspace"),
}
# Dialogues with cmd shells, read by what our client has for a Command, a Receive, a Signal.
CMD = (
    "client-copy-expand-vars",
    "client-copy-file",
    "client-copy-file-empty",
    "client-copy-file-warning",
    "client-execute-cmd",
    "client-execute-cmd-environment",
    "winrs-bad-cmd-id",
    "winrs-environment",
    "winrs-extra-opts",
    "winrs-fail-poll-process",
    "winrs-no-cmd-shell",
    "winrs-noprofile",
    "winrs-open-already-opened",
    "winrs-operation-timeout",
    "winrs-send",
    "winrs-standard",
    "winrs-stderr-rc",
    "winrs-unicode",
)
CONFIG = "winrm/config alone, which is never asked for: envelopes are as small as every version takes, or as the inventory says"
NOT_READ = {f"wsman-update-envelope-size-{size}": CONFIG for size in (150, 500, 4096)}
