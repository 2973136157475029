from __future__ import annotations

import hashlib
import ssl as tls_module
import time
from typing import Any

import pytest
import requests
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from sitekeeper_lab.wsman import Account, Tls, WsmanServer

from .conftest import Host, MakeHost

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def _hello(wsman: WSMan) -> list[Any]:
    with wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Get-Hello")
        return list(ps.invoke())


@pytest.fixture
def both(make_host: MakeHost, tls: Tls) -> Any:
    thumbprint = hashlib.sha256(tls_module.PEM_cert_to_DER_cert(tls.certificate.read_text())).hexdigest()
    accounts = [
        Account("LAB", "keeper", "Pa55 wörd!", "lab.example", thumbprint),
        Account("OTHER", "keeper", "elsewhere"),
    ]
    host = make_host(https_port=0, tls=tls, accounts=accounts)
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    return host


@pytest.mark.parametrize("encryption", ["auto", "always"])
@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
@pytest.mark.parametrize("ssl", [False, True])
def test_negotiate_and_ntlm(both: Any, auth: str, encryption: str, ssl: bool) -> None:
    assert _hello(both.client(auth=auth, ssl=ssl, encryption=encryption)) == ["hello"]
    assert both.engine.users == ["LAB\\keeper"]


@pytest.mark.parametrize(
    "username", ["LAB\\keeper", "lab\\KEEPER", "keeper@LAB", "keeper@lab.example", "lab.example\\keeper", "keeper"]
)
def test_the_spellings_of_a_user(both: Any, username: str) -> None:
    assert _hello(both.client(username=username)) == ["hello"]
    assert both.engine.users == ["LAB\\keeper"]


def test_a_user_of_another_domain_is_another_user(both: Any) -> None:
    assert _hello(both.client(username="OTHER\\keeper", password="elsewhere")) == ["hello"]
    assert both.engine.users == ["OTHER\\keeper"]


def test_basic_over_https(both: Any) -> None:
    assert _hello(both.client(auth="basic", ssl=True)) == ["hello"]
    assert both.engine.users == ["LAB\\keeper"]


def test_a_client_certificate_over_https(both: Any, tls: Tls) -> None:
    certificate = {"certificate_pem": str(tls.certificate), "certificate_key_pem": str(tls.key)}
    assert _hello(both.client(auth="certificate", ssl=True, username=None, password=None, **certificate)) == ["hello"]
    assert both.engine.users == ["LAB\\keeper"]


@pytest.mark.parametrize(
    ("ssl", "settings"),
    [
        (False, {"password": "wrong"}),
        (True, {"password": "wrong"}),
        (False, {"username": "LAB\\nobody"}),
        (False, {"auth": "negotiate", "password": "wrong"}),
        (True, {"auth": "basic", "password": "wrong"}),
        (False, {"auth": "basic", "encryption": "never"}),
    ],
)
def test_refused_logins(both: Any, ssl: bool, settings: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        _hello(both.client(ssl=ssl, **settings))
    assert both.engine.users == []
    assert set(both.operations()) == {"Login"}


def test_plain_text_over_http_is_refused_after_a_good_login(both: Any) -> None:
    with pytest.raises(WinRMTransportError) as refused:
        _hello(both.client(encryption="never"))
    assert refused.value.code == 500
    assert refused.value.response_text == ""
    assert both.engine.users == []


def test_servers_of_one_process_have_accounts_of_their_own(make_host: MakeHost) -> None:
    one = make_host(accounts=[Account("LAB", "keeper", "one")])
    two = make_host(accounts=[Account("LAB", "keeper", "two")], address="127.81.0.2")
    for host, right, wrong in ((one, "one", "two"), (two, "two", "one")):
        host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
        assert _hello(host.client(password=right)) == ["hello"]
        with pytest.raises(AuthenticationError):
            _hello(host.client(password=wrong))


def test_a_login_can_be_refused_and_delayed_on_purpose(host: Host) -> None:
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    host.faults.refuse_login()
    with pytest.raises(AuthenticationError):
        _hello(host.client())
    host.faults.slow_login(0.05)
    started = time.monotonic()
    assert _hello(host.client()) == ["hello"]
    assert time.monotonic() - started >= 0.05


def test_identify_without_a_login_tells_the_stack_but_not_the_system(host: Host) -> None:
    url = f"http://127.0.0.1:{host.server.http_port}/wsman"
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:i="http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd">'
        "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"
    )
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(url, data=body, headers={"WSMANIDENTIFY": "unauthenticated"}, timeout=5)
        assert "OS: 0.0.0 SP: 0.0 Stack: 3.0" in answer.text
        assert session.post(url, data=body, timeout=5).status_code == 401
        assert session.get(url, timeout=5).status_code == 405
        assert session.post(url + "/elsewhere", data=body, timeout=5).status_code == 404


def test_the_lab_listens_on_loopback_only(host: Host) -> None:
    with pytest.raises(ValueError, match="loopback"):
        WsmanServer(host.engine, [], address="0.0.0.0")
    with pytest.raises(ValueError, match="colon"):
        Account("LAB", "keeper", "a:b")
