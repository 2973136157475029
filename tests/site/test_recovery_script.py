"""Setup's recovery script: every key that applies, nothing that cannot stand there, and what an operator must have said."""

from __future__ import annotations

from typing import Any

import pytest

from sitekeeper.engine.errors import UsageError
from sitekeeper.engine.secrets import inline
from sitekeeper.site.recovery.script import Recovery, read_recovery_options, recovery_script

GIVEN: dict[str, Any] = {"provider": "cm.corp.example", "sql_server": "sql.corp.example"}
RECOVERY = Recovery(
    site="PR2",
    site_name="Site two",
    site_type="primary",
    parent=None,
    install_dir="D:\\CM",
    database="CM_PR2",
    instance="MSSQLSERVER",
    option=20,
    media="E:\\R\\CD.Latest",
)


def _keys(recovery: Recovery, **wishes: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in recovery_script(recovery, read_recovery_options(GIVEN | wishes)).split("\r\n")[:-1]:
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        else:
            key, _, value = line.partition("=")
            section[key] = value
    return found


def test_a_database_that_was_brought_up_by_hand() -> None:
    keys = _keys(RECOVERY)
    assert keys["Identification"] == {"Action": "RecoverPrimarySite", "CDLatest": "1"}
    assert keys["RecoveryOptions"] == {"ServerRecoveryOptions": "1", "DatabaseRecoveryOptions": "20"}
    assert keys["SQLConfigOptions"] == {
        "SQLServerName": "sql.corp.example",
        "DatabaseName": "CM_PR2",
        "SQLSSBPort": "4022",
    }
    assert keys["Options"]["PrerequisitePath"] == "E:\\R\\CD.Latest\\redist"
    assert "HierarchyExpansionOption" not in keys


def test_a_service_connection_point() -> None:
    assert _keys(RECOVERY)["CloudConnectorOptions"] == {"CloudConnector": "0"}
    assert _keys(RECOVERY, cloud_connector="scp.corp.example")["CloudConnectorOptions"] == {
        "CloudConnector": "1",
        "CloudConnectorServer": "scp.corp.example",
        "UseProxy": "0",
    }


def test_a_site_below_another_needs_its_server_and_has_no_service_connection_point() -> None:
    below = RECOVERY.model_copy(update={"parent": "CAS"})
    with pytest.raises(UsageError, match=r"below CAS, and recovery\.central_site_server is not set"):
        _keys(below)
    with pytest.raises(UsageError, match="only the top site of a hierarchy has a service connection point"):
        _keys(below, central_site_server="cas1.corp.example", cloud_connector="scp.corp.example")


def test_a_backup_of_the_task_below_a_central_administration_site() -> None:
    keys = _keys(
        RECOVERY.model_copy(update={"option": 10, "backup": "E:\\R\\PR2Backup", "parent": "CAS", "instance": "CM"}),
        central_site_server="cas1.corp.example",
    )
    assert keys["RecoveryOptions"]["SiteServerBackupLocation"] == "E:\\R\\PR2Backup"
    assert keys["RecoveryOptions"]["BackupLocation"] == "E:\\R\\PR2Backup\\SiteDBServer"
    assert keys["SQLConfigOptions"]["DatabaseName"] == "CM\\CM_PR2"
    assert keys["HierarchyExpansionOption"] == {"CCARSiteServer": "cas1.corp.example"}
    assert keys["CloudConnectorOptions"] == {"CloudConnector": "0"}


def test_a_central_administration_site() -> None:
    central = RECOVERY.model_copy(update={"site_type": "cas"})
    keys = _keys(central, reference_site="pr1.corp.example")
    assert keys["Identification"]["Action"] == "RecoverCCAR"
    assert keys["RecoveryOptions"]["ReferenceSite"] == "pr1.corp.example"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "variable recovery is not set"),
        ({}, "lacks provider, sql_server"),
        (GIVEN | {"owner": "me"}, "unknown fields: owner"),
        (GIVEN | {4022: "ssb_port"}, "unknown fields: 4022"),
        (GIVEN | {"provider": "cm"}, "provider is not a full name"),
        (GIVEN | {"sql_server": "sql;x.corp"}, "sql_server is not a full name"),
        (GIVEN | {"ssb_port": "auto"}, r"recovery\.ssb_port: "),
        (GIVEN | {"provider": 4022}, r"recovery\.provider: "),
        (GIVEN | {"console": "perhaps"}, r"recovery\.console: "),
        (GIVEN | {"account": inline("x", "vault:1")}, r"recovery\.account: "),
        (GIVEN | {"product_id": "12345"}, "must be Eval or a product key"),
        (GIVEN | {"product_id": inline("AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", "vault:1")}, "reads it in clear"),
    ],
)
def test_what_an_operator_must_have_said(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_recovery_options(given)


@pytest.mark.parametrize("name", ["Site\r\nCDLatest=0", "B\u00fcro", " edge "])
def test_nothing_that_would_be_another_line_or_another_text(name: str) -> None:
    with pytest.raises(UsageError, match=r"SiteName=.* cannot be written in the recovery script"):
        recovery_script(RECOVERY.model_copy(update={"site_name": name}), read_recovery_options(GIVEN))


def test_no_script_makes_a_primary_site_of_a_secondary_one() -> None:
    with pytest.raises(UsageError, match="secondary site"):
        _keys(RECOVERY.model_copy(update={"site_type": "secondary"}))
