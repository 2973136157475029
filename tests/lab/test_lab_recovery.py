"""The lab's recovery programs: what they refuse, and that a site which merely got its old database back is not believed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitekeeper_lab.configmgr.recovery import LOG, SiteServer
from sitekeeper_lab.configmgr.setup_script import Refused
from sitekeeper_lab.hierarchy import AccountSpec, Hierarchy, HostSpec, Ports, SiteSpec, SqlSpec
from sitekeeper_lab.server import Lab

CB = "5.00.9128.1000"
INI = """[Identification]
Action=RecoverPrimarySite
CDLatest=1
[RecoveryOptions]
ServerRecoveryOptions=1
DatabaseRecoveryOptions={option}
{backup}[Options]
ProductID=Eval
SiteCode=PR2
SiteName=a name
SMSInstallDir=D:\\CM
SDKServer=PR2.lab.example
PrerequisiteComp=1
PrerequisitePath=D:\\Copy\\redist
AdminConsole=1
JoinCEIP=0
[SQLConfigOptions]
SQLServerName=PR2.lab.example
DatabaseName=CM_PR2
SQLSSBPort=4022
[CloudConnectorOptions]
CloudConnector=0
"""
SETUP = r"D:\Copy\SMSSETUP\BIN\X64\setup.exe"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    sql = SqlSpec(version="2012")
    hierarchy = Hierarchy(
        hosts={
            "CEN": HostSpec(
                address="127.81.61.1",
                windows="2008 R2",
                sql=SqlSpec(version="2008"),
                site=SiteSpec(code="CEN", kind="central", generation=2007, install="D:\\SMS", size=0.1),
            ),
            "PR1": HostSpec(
                address="127.81.61.2",
                windows="2008 R2",
                sql=SqlSpec(version="2008"),
                site=SiteSpec(code="PR1", generation=2007, parent="CEN", install="D:\\SMS", size=0.1),
            ),
            "PR2": HostSpec(
                address="127.81.61.3", sql=sql, site=SiteSpec(code="PR2", version=CB, install="D:\\CM", size=0.1)
            ),
        },
        accounts=(AccountSpec(user="backup", password="Lab-1", administrator=True),),
        ports=Ports(http=0, https=0, sql=0),
    )
    with Lab(hierarchy, tmp_path) as made:
        yield made


def _backup(lab: Lab, name: str, folder: str) -> None:
    """What the backup task leaves, as far as the wizard and setup look at it."""
    server = lab.site_servers[name]
    files, spec = server.host.files, server.spec
    target = files.resolve(folder)
    (target / "SiteDBServer").mkdir(parents=True)
    with server.host.io_lock:
        for file in server.holder.site_databases[spec.code].files:
            shutil.copy(file.path, target / "SiteDBServer" / file.physical.rpartition("\\")[2])
        shutil.copytree(files.resolve(spec.install), target / "SiteServer" / "SMSServer", symlinks=True)
    for key in ("SMS", "NAL"):
        (target / "SiteServer" / f"SMSbkSiteReg{key}.dat").write_bytes(b"regf")


def _kept(server: SiteServer, folder: str, aside: Path) -> None:
    """The backup survives the wreck in the central storage."""
    shutil.move(server.host.files.resolve(folder), aside)


def _brought(server: SiteServer, aside: Path, folder: str) -> None:
    target = server.host.files.resolve(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(aside, target, symlinks=True, dirs_exist_ok=True)


def test_an_old_database_alone_is_rejected_and_the_wizard_with_a_reset_is_not(lab: Lab, tmp_path: Path) -> None:
    server = lab.site_servers["PR1"]
    assert lab.exchange() == []
    _backup(lab, "PR1", r"D:\Out\PR1Backup")
    _kept(server, r"D:\Out\PR1Backup", tmp_path / "store")
    assert lab.exchange() == []
    server.wreck()
    assert not server.host.exists("D:\\SMS")
    assert {name for name in server.host.machine.services if name.startswith("SMS_")} == set()
    with pytest.raises(Refused, match="installed"):
        server.repair(r"D:\In\PR1Backup")
    server.install()
    assert server.passwords_readable
    assert any("serial number" in one for one in lab.exchange()), "a fresh site begins to count anew"
    _brought(server, tmp_path / "store", r"D:\In\PR1Backup")
    new = server.host.read(r"D:\SMS\srvacct\srvacct.PR1")
    server.repair(r"D:\In\PR1Backup")
    assert any("reset was left out" in one for one in lab.exchange())
    server.reset()
    assert lab.exchange() == lab.exchange() == []
    assert not server.passwords_readable, "the wizard brings the old srvacct"
    server.host.write(r"D:\SMS\srvacct\srvacct.PR1", new)
    assert server.passwords_readable


def test_a_raw_restore_is_out_of_step(lab: Lab, tmp_path: Path) -> None:
    server = lab.site_servers["PR1"]
    for _ in range(3):
        assert lab.exchange() == []
    _backup(lab, "PR1", r"D:\Out\PR1Backup")
    _kept(server, r"D:\Out\PR1Backup", tmp_path / "store")
    assert lab.exchange() == []
    database = server.holder.site_databases["PR1"]
    server._stop_life()
    server.instance.detach_database(database.name)
    for file in database.files:
        shutil.copy(tmp_path / "store" / "SiteDBServer" / file.physical.rpartition("\\")[2], file.path)
    server._attach()
    server._database()
    server._start_life()
    assert [one for one in lab.exchange() if one.startswith("PR1 -> CEN: serial number")]


@pytest.mark.parametrize("option", [10, 20])
def test_setup_recovers_a_current_branch_site(lab: Lab, tmp_path: Path, option: int) -> None:
    server = lab.site_servers["PR2"]
    _backup(lab, "PR2", r"D:\Out\PR2Backup")
    _kept(server, r"D:\Out\PR2Backup", tmp_path / "store")
    server.wreck()
    _brought(server, tmp_path / "store", r"D:\In\PR2Backup")
    _brought(server, tmp_path / "store" / "SiteServer" / "SMSServer" / "CD.Latest", r"D:\Copy")
    backup = (
        "SiteServerBackupLocation=D:\\In\\PR2Backup\nBackupLocation=D:\\In\\PR2Backup\\SiteDBServer\n"
        if option == 10
        else ""
    )
    server.host.write(r"D:\recover.ini", INI.format(option=option, backup=backup).encode())
    if option == 20:
        assert server.setup(SETUP, ["/script", r"D:\recover.ini"]).code == 1
        assert b"there is no database" in server.host.read(LOG)
        _brought(server, tmp_path / "store" / "SiteDBServer", r"D:\MSSQL\Data")
        server._attach()
    done = server.setup(SETUP, ["/script", r"D:\recover.ini"])
    assert done.code == 0, server.host.read(LOG)
    assert server.host.machine.services["SMS_EXECUTIVE"].state == "Running"
    database = server.holder.site_databases["PR2"]
    assert database.options()["trustworthy"] == "1"
    assert server.setup(SETUP, ["/script", r"D:\recover.ini"]).code == 1, "a site is there now"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda ini: ini.replace("SDKServer=PR2.lab.example\n", ""), b"lacks [Options] SDKServer"),
        (lambda ini: ini.replace("SiteCode=PR2", "SiteCode=PR9"), b"not those that this site had"),
        (lambda ini: ini.replace("D:\\Copy\\redist", "D:\\Nowhere"), b"no prerequisites"),
        (lambda ini: ini.replace("CDLatest=1", "CDLatest=0"), b"no recovery from CD.Latest"),
        (lambda ini: ini.replace("D:\\In\\PR2Backup\\SiteDBServer", "D:\\In"), b"not one of the backup task"),
    ],
)
def test_setup_refuses_a_script_that_is_wrong(lab: Lab, tmp_path: Path, wrong: object, said: bytes) -> None:
    server = lab.site_servers["PR2"]
    _backup(lab, "PR2", r"D:\Out\PR2Backup")
    _kept(server, r"D:\Out\PR2Backup", tmp_path / "store")
    server.wreck()
    _brought(server, tmp_path / "store", r"D:\In\PR2Backup")
    _brought(server, tmp_path / "store" / "SiteServer" / "SMSServer" / "CD.Latest", r"D:\Copy")
    backup = "SiteServerBackupLocation=D:\\In\\PR2Backup\nBackupLocation=D:\\In\\PR2Backup\\SiteDBServer\n"
    assert callable(wrong)
    server.host.write(r"D:\recover.ini", wrong(INI.format(option=10, backup=backup)).encode())
    assert server.setup(SETUP, ["/script", r"D:\recover.ini"]).code == 1
    assert said in server.host.read(LOG)
    assert server.host.machine.site is None
