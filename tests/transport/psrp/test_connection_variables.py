"""Ansible's connection variables: heeded, or refused at their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pypsrp.exceptions import WSManFaultError

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import AuthError, InventoryError, RemoteError, UnreachableError
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.secrets import Secret
from sitekeeper.transport.psrp.connection import explain_error, target_of, wsman_of
from sitekeeper.transport.psrp.shell import Shell

HERE = Origin(str(Path("hosts.yml")), 3, 1)
LINE = Origin(str(Path("hosts.yml")), 9, 5)


def target(**variables: Any) -> Any:
    names = {f"ansible_{name}" if not name.startswith("ansible_") else name: value for name, value in variables.items()}
    return target_of("PR1", names, HERE, dict.fromkeys(names, LINE))


@pytest.mark.parametrize(
    ("variables", "port", "ssl"),
    [
        ({}, 5986, True),
        ({"port": 5985}, 5985, False),
        ({"port": 80}, 80, False),
        ({"port": "5985"}, 5985, False),
        ({"port": "443", "psrp_read_timeout": "60"}, 443, True),
        ({"port": 443}, 443, True),
        ({"psrp_protocol": "http"}, 5985, False),
        ({"psrp_port": 15985}, 15985, True),
        ({"psrp_port": 5985}, 5985, False),
        ({"port": 5986, "psrp_port": 5985}, 5986, True),
    ],
)
def test_ports_and_protocols_as_ansible_has_them(variables: dict[str, Any], port: int, ssl: bool) -> None:
    found = target(**variables)
    assert (found.port, found.ssl) == (port, ssl)


def test_settings_reach_pypsrp() -> None:
    found = target(
        host="10.0.0.1",
        user="u",
        password=Secret("test", lambda: "hidden"),
        psrp_negotiate_service="HOST",
        psrp_proxy="http://p:1",
        psrp_message_encryption="always",
        psrp_max_envelope_size=500_000,
        psrp_ca_cert="/ca.pem",
    )
    assert "hidden" not in repr(found)
    transport: Any = wsman_of(found).transport
    assert (transport.server, transport.username, transport.password) == ("10.0.0.1", "u", "hidden")
    assert (transport.negotiate_service, transport.proxy, transport.no_proxy) == ("HOST", "http://p:1", False)
    assert (transport.cert_validation, transport.wrap_required) == ("/ca.pem", True)
    assert wsman_of(target()).transport.no_proxy is True


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"psrp_prot": "http"}, "unknown connection variable ansible_psrp_prot"),
        ({"psrp_protocol": "ftp"}, "must be one of http, https"),
        ({"connection": "winrm"}, "must be one of psrp"),
        ({"psrp_auth": "credssp"}, "must be one of"),
        ({"psrp_message_encryption": "perhaps"}, "must be one of auto, always, never"),
        ({"port": "http"}, "must be a number"),
        ({"port": True}, "must be a number"),
        ({"psrp_port": "x"}, "must be a number"),
        ({"psrp_read_timeout": -1}, "must be a number"),
        ({"psrp_auth": "basic", "port": 5985}, "in the clear"),
        ({"psrp_auth": "certificate"}, "certificate needs https"),
        (
            {"psrp_auth": "certificate", "port": 5985, "psrp_certificate_pem": "a", "psrp_certificate_key_pem": "b"},
            "needs https",
        ),
        ({"psrp_auth": "kerberos", "user": "LAB\\backup"}, r"LAB\\backup is not a Kerberos principal"),
        ({"psrp_auth": "kerberos", "psrp_user": "LAB\\backup"}, r"LAB\\backup is not a Kerberos principal"),
        ({"password": 5}, "must be a text or a secret"),
    ],
)
def test_refused_at_its_line(variables: dict[str, Any], says: str) -> None:
    with pytest.raises(InventoryError, match=says) as told:
        target(**variables)
    assert told.value.origin in {LINE, HERE}


def test_a_windows_account_for_kerberos_is_shown_as_its_principal() -> None:
    with pytest.raises(InventoryError) as told:
        target(psrp_auth="kerberos", user="CORP\\u")
    assert str(told.value.hint).startswith("write u@CORP.EXAMPLE")


def test_a_name_that_does_not_resolve_is_named_as_such() -> None:
    here = target(host="no-such-host.invalid", user="LAB\\keeper", password=Secret("test", lambda: "x"))
    with pytest.raises(UnreachableError) as told:
        Shell(here, SystemClock())
    assert told.value.message == "no-such-host.invalid: the name does not resolve on this machine"
    assert "WinRM" not in str(told.value.hint)


def test_a_quota_is_told_by_its_subcode_alone() -> None:
    """Windows sends no number with this fault where it sends one with every other."""
    fault = WSManFaultError("w:QuotaLimit", None, "in any language", None, None, None)
    told = explain_error(fault, target(user="LAB\\keeper"))
    assert isinstance(told, RemoteError)
    assert "a quota of WinRM is used up for LAB\\keeper" in told.message
    assert "MaxShellsPerUser" in str(told.hint)


def test_kerberos_without_its_packages_says_what_to_install() -> None:
    told = explain_error(ImportError("No module named 'krb5'"), target(psrp_auth="kerberos"))
    assert isinstance(told, AuthError)
    assert "krb5" in told.message
    assert "sitekeeper[kerberos]" in str(told.hint)
