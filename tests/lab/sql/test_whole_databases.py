"""Attach, backup, restore, CHECKDB and drop, asked by both ODBC drivers; what is claimed is looked up in the files."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitekeeper_lab.sql.database import Database, attach, create_site_database
from sitekeeper_lab.sql.server import TdsServer
from sitekeeper_lab.sql.site_schema import bulk_rows

COPY = "D:\\Copy"
Ask = Callable[..., Any]
Serve = Callable[..., TdsServer]


def drained(connection: Any, sql: str) -> tuple[list[int], list[list[Any]]]:
    """The numbers of all messages, and all result sets, as far as an exception lets one read."""
    cursor = connection.cursor()
    cursor.execute(sql)
    numbers, rowsets = [], []
    while True:
        numbers += [int(state.rsplit("(", 1)[1].rstrip(")")) for state, _ in cursor.messages or ()]
        if cursor.description:
            names = [column[0] for column in cursor.description]
            rowsets.append([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
        if not cursor.nextset():
            return numbers, rowsets


def refused(connection: Any, sql: str, *numbers: int) -> None:
    """The driver's one error is one of these: Microsoft's shows the first, FreeTDS the most severe."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the class differs by driver
        drained(connection, sql)
    assert any(f"({number})" in str(caught.value) for number in numbers), caught.value


def copied(server: TdsServer, name: str = "CM_ABC", folder: str = COPY) -> str:
    """Copy a database's files to a folder as a snapshot would; answers the FILENAME list."""
    instance = server.instance
    database = instance.databases[name]
    target = instance.resolve(folder)
    target.mkdir(parents=True, exist_ok=True)
    with instance.io_lock, database.reading:
        for file in database.files:
            shutil.copy(file.path, target / file.path.name)
    return files_in(database, folder)


def files_in(database: Database, folder: str) -> str:
    return ", ".join(f"(FILENAME = N'{folder}\\{file.path.name}')" for file in database.files)


def attach_as(name: str, files: str) -> str:
    return f"CREATE DATABASE [{name}] ON {files} FOR ATTACH"


def tear_bulk(path: Path) -> None:
    """Half a page of the big table is another write's: what a torn write leaves."""
    with path.open("r+b") as file:
        at = file.seek(-20_000, os.SEEK_END)
        half = file.read(512)
        file.seek(at)
        file.write(bytes(value ^ 0x5A for value in half))


def with_bulk(server: TdsServer) -> None:
    with server.instance.databases["CM_ABC"].change("BULK") as data:
        bulk_rows(data, 400_000)


def test_an_attached_copy_is_a_database_of_its_own_without_trust_and_broker(serve: Serve, dial: Ask) -> None:
    server = serve()
    source = server.instance.databases["CM_ABC"]
    connection = dial(server, DATABASE="master")
    drained(connection, attach_as("sk_ABC_run", copied(server)))
    _, [[row]] = drained(
        connection,
        "SELECT is_trustworthy_on AS t, is_broker_enabled AS b, state_desc AS s FROM sys.databases WHERE name = 'sk_ABC_run'",
    )
    assert (bool(row["t"]), bool(row["b"]), row["s"]) == (False, False, "ONLINE")
    assert source.options()["trustworthy"] == "1"
    _, [files] = drained(
        connection,
        "SELECT f.name AS n, f.physical_name AS p FROM sys.master_files AS f "
        "INNER JOIN sys.databases AS d ON d.database_id = f.database_id WHERE d.name = 'sk_ABC_run' ORDER BY f.file_id",
    )
    assert [(one["n"], one["p"]) for one in files] == [
        ("CM_ABC", f"{COPY}\\CM_ABC.mdf"),
        ("CM_ABC_log", f"{COPY}\\CM_ABC_log.ldf"),
    ]
    source.insert_traffic("after")
    _, [[one]] = drained(connection, "SELECT COUNT(*) AS n FROM [sk_ABC_run].dbo.LabTraffic")
    assert one["n"] == 0
    refused(connection, attach_as("sk_ABC_run", files_in(source, COPY)), 1801)
    refused(connection, attach_as("again", files_in(source, COPY)), 5120)
    drained(connection, "ALTER DATABASE [sk_ABC_run] SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
    drained(connection, "DROP DATABASE [sk_ABC_run]")
    assert list(server.instance.resolve(COPY).iterdir()) == []
    refused(connection, "DROP DATABASE [sk_ABC_run]", 3701)


def test_what_cannot_be_attached_is_refused_with_the_servers_numbers(serve: Serve, dial: Ask) -> None:
    server = serve()
    connection = dial(server, DATABASE="master")
    source = server.instance.databases["CM_ABC"]
    files = copied(server)
    folder = server.instance.resolve(COPY)
    mdf, ldf = folder / "CM_ABC.mdf", folder / "CM_ABC_log.ldf"
    good = {path: path.read_bytes() for path in (mdf, ldf)}

    source.insert_traffic("later")
    shutil.copy(source.log.path, ldf)  # of another instant
    refused(connection, attach_as("x", files), 9003, 1813)
    create_site_database(server.instance, "ZZZ", data_dir="D:\\Z")
    shutil.copy(server.instance.databases["CM_ZZZ"].log.path, ldf)  # of another database
    refused(connection, attach_as("x", files), 5173)
    ldf.unlink()
    refused(connection, attach_as("x", files), 5120)
    ldf.write_bytes(good[ldf])
    mdf.write_bytes(b"\0" * 512 + good[mdf][512:])
    refused(connection, attach_as("x", files), 5171)
    mdf.write_bytes(good[mdf][:16] + b"\xff" * 2048 + good[mdf][2064:])
    refused(connection, attach_as("x", files), 5172)
    mdf.write_bytes(good[mdf])
    refused(connection, attach_as("x", files.replace("D:\\", "Q:\\")), 5120)
    refused(connection, attach_as("x", files.split(", ")[0]), 5173)
    drained(connection, attach_as("x", files))  # and none of that has changed the good ones


def test_the_primary_data_file_must_be_named_first(serve: Serve, dial: Ask) -> None:
    server = serve()
    create_site_database(server.instance, "ZZZ", data_dir="D:\\Z", secondary=True)
    connection = dial(server, DATABASE="master")
    primary, secondary, log = copied(server, "CM_ZZZ").split(", ")
    refused(connection, attach_as("x", f"{secondary}, {primary}, {log}"), 5171)
    assert "x" not in server.instance.databases
    drained(connection, attach_as("x", f"{primary}, {secondary}, {log}"))


def test_an_older_server_refuses_what_a_newer_one_has_upgraded(serve: Serve, dial: Ask) -> None:
    old, new = serve("2008 R2"), serve("2016")
    files = copied(old)
    target = new.instance.resolve(COPY)
    shutil.copytree(old.instance.resolve(COPY), target)
    numbers, _ = drained(dial(new, DATABASE="master"), attach_as("up", files))
    assert 951 in numbers
    assert new.instance.databases["up"].options()["version"] == "852"
    assert int(new.instance.databases["up"].options()["compatibility"]) >= 100
    new.instance.detach_database("up")
    shutil.rmtree(old.instance.resolve(COPY))
    shutil.copytree(target, old.instance.resolve(COPY))
    refused(dial(old, DATABASE="master"), attach_as("down", files), 948, 1813)
    assert "down" not in old.instance.databases


def test_a_feature_of_enterprise_edition_is_not_opened_by_standard(serve: Serve, dial: Ask) -> None:
    server = serve("2012")
    server.instance.databases["CM_ABC"].set_option("compressed_table", "StatusMessages")
    files = copied(server)
    connection = dial(server, DATABASE="master")
    refused(connection, attach_as("x", files), 909, 1813)
    server.instance.edition = "Developer Edition (64-bit)"
    drained(connection, attach_as("x", files))


def test_a_copy_only_backup_is_proved_and_restored_elsewhere(serve: Serve, dial: Ask) -> None:
    server = serve()
    with_bulk(server)
    server.instance.resolve(COPY).mkdir(parents=True)
    connection = dial(server, DATABASE="master")
    bak = f"{COPY}\\one.bak"
    numbers, _ = drained(
        connection, f"BACKUP DATABASE [CM_ABC] TO DISK = N'{bak}' WITH COPY_ONLY, CHECKSUM, INIT, FORMAT, STATS = 20"
    )
    assert numbers.count(3211) == 5
    assert numbers[-3:] == [4035, 4035, 3014]
    _, [[row]] = drained(
        connection,
        "SELECT b.is_copy_only AS c, b.has_backup_checksums AS h, CAST(b.backup_set_uuid AS nvarchar(36)) AS g, "
        "m.physical_device_name AS p FROM msdb.dbo.backupset AS b "
        "INNER JOIN msdb.dbo.backupmediafamily AS m ON m.media_set_id = b.media_set_id",
    )
    assert row["p"] == bak
    assert (bool(row["c"]), bool(row["h"])) == (True, True)
    _, [[head]] = drained(connection, f"RESTORE HEADERONLY FROM DISK = N'{bak}'")
    assert (head["BackupType"], head["DatabaseName"], head["SoftwareVersionMajor"], bool(head["IsCopyOnly"])) == (
        1,
        "CM_ABC",
        15,
        True,
    )
    assert str(head["BackupSetGUID"]).upper() == row["g"]
    _, [listed] = drained(connection, f"RESTORE FILELISTONLY FROM DISK = N'{bak}'")
    assert [(one["LogicalName"], one["Type"]) for one in listed] == [("CM_ABC", "D"), ("CM_ABC_log", "L")]
    numbers, _ = drained(connection, f"RESTORE VERIFYONLY FROM DISK = N'{bak}' WITH CHECKSUM, STATS = 50")
    assert numbers[-1] == 3262
    move = f"MOVE N'CM_ABC' TO N'{COPY}\\r.mdf', MOVE N'CM_ABC_log' TO N'{COPY}\\r.ldf'"
    numbers, _ = drained(connection, f"RESTORE DATABASE [r] FROM DISK = N'{bak}' WITH {move}, CHECKSUM, STATS = 25")
    assert 3014 in numbers
    found = attach(server.instance.resolve(f"{COPY}\\r.mdf"), server.instance.resolve(f"{COPY}\\r.ldf"))
    assert found.family == server.instance.databases["CM_ABC"].family
    assert server.instance.databases["r"].options()["trustworthy"] == "0"
    numbers, rowsets = drained(connection, "DBCC CHECKDB ([r]) WITH TABLERESULTS, NO_INFOMSGS, ALL_ERRORMSGS")
    assert rowsets == []


def test_a_restore_that_cannot_be_is_refused_with_the_servers_numbers(serve: Serve, dial: Ask) -> None:
    server = serve()
    server.instance.resolve(COPY).mkdir(parents=True)
    create_site_database(server.instance, "ZZZ", data_dir="D:\\Z")
    connection = dial(server, DATABASE="master")
    bak = f"{COPY}\\one.bak"
    plain = f"BACKUP DATABASE [CM_ABC] TO DISK = N'{bak}' WITH INIT"
    drained(connection, plain)

    def restore(name: str, *options: str, device: str = bak) -> str:
        return f"RESTORE DATABASE [{name}] FROM DISK = N'{device}'" + (f" WITH {', '.join(options)}" if options else "")

    refused(connection, restore("r"), 1834, 3013)
    refused(connection, restore("CM_ZZZ", f"MOVE N'CM_ABC' TO N'{COPY}\\r.mdf'"), 3154, 3013)
    refused(connection, restore("r", f"MOVE N'nobody' TO N'{COPY}\\r.mdf'"), 3234, 3013)
    refused(connection, restore("r", "MOVE N'CM_ABC' TO N'D:\\none\\r.mdf'"), 5133, 3156, 3013)
    refused(connection, restore("r", "CHECKSUM"), 3187, 3013)
    refused(connection, restore("r", device=f"{COPY}\\none.bak"), 3201, 3013)
    refused(connection, f"RESTORE VERIFYONLY FROM DISK = N'{bak}' WITH CHECKSUM", 3187, 3013)
    refused(connection, plain.replace(COPY, "D:\\none"), 3201, 3013)
    refused(connection, "BACKUP DATABASE [nobody] TO DISK = N'D:\\x.bak'", 911)
    path = server.instance.resolve(bak)
    whole = path.read_bytes()
    path.write_bytes(b"PK" + whole)
    refused(connection, f"RESTORE HEADERONLY FROM DISK = N'{bak}'", 3241, 3013)
    path.write_bytes(whole[:-100])
    refused(connection, f"RESTORE VERIFYONLY FROM DISK = N'{bak}'", 3203, 3013)
    path.unlink()
    drained(connection, plain + ", CHECKSUM")
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    refused(connection, f"RESTORE VERIFYONLY FROM DISK = N'{bak}' WITH CHECKSUM", 3189, 3013)
    assert set(server.instance.databases) == {"CM_ABC", "CM_ZZZ"}
    assert server.instance.restoring == {}


def test_a_torn_page_passes_verifyonly_and_fails_checkdb(serve: Serve, dial: Ask) -> None:
    server = serve("2008")
    with_bulk(server)
    source = server.instance.databases["CM_ABC"]
    tear_bulk(source.mdf.path)
    server.instance.resolve(COPY).mkdir(parents=True)
    connection = dial(server, DATABASE="master")
    bak = f"{COPY}\\torn.bak"
    drained(connection, f"BACKUP DATABASE [CM_ABC] TO DISK = N'{bak}' WITH COPY_ONLY, CHECKSUM, INIT")
    numbers, _ = drained(connection, f"RESTORE VERIFYONLY FROM DISK = N'{bak}' WITH CHECKSUM")
    assert numbers == [3262]
    move = f"MOVE N'CM_ABC' TO N'{COPY}\\r.mdf', MOVE N'CM_ABC_log' TO N'{COPY}\\r.ldf'"
    drained(connection, f"RESTORE DATABASE [r] FROM DISK = N'{bak}' WITH {move}, CHECKSUM")
    _, [rows] = drained(connection, "DBCC CHECKDB (N'r') WITH TABLERESULTS, NO_INFOMSGS, ALL_ERRORMSGS")
    assert [row["Error"] for row in rows] == [8928, 8939, 8989, 8958]
    assert "RidDbId" not in rows[0]  # 2012 brought it
    assert rows[0]["File"] == 1


def test_compression_is_what_the_version_and_edition_say(serve: Serve, dial: Ask) -> None:
    for release, number in (("2005", 155), ("2008", 1844), ("2008 R2", 0)):
        server = serve(release)
        server.instance.resolve(COPY).mkdir(parents=True)
        connection = dial(server, DATABASE="master")
        statement = f"BACKUP DATABASE [CM_ABC] TO DISK = N'{COPY}\\z.bak' WITH COMPRESSION, CHECKSUM"
        if number:
            refused(connection, statement, number, 3013)
        else:
            drained(connection, statement)
            _, [[head]] = drained(connection, f"RESTORE HEADERONLY FROM DISK = N'{COPY}\\z.bak'")
            assert head["Compressed"] == 1


@pytest.mark.parametrize("do", ["disk_full", "io_error", "drop"])
def test_a_backup_that_ends_half_way_leaves_no_file(serve: Serve, dial: Ask, do: str) -> None:
    server = serve()
    server.instance.resolve(COPY).mkdir(parents=True)
    server.faults.statement("backup", do, at=40)
    with contextlib.suppress(Exception):  # a lost connection is told by FreeTDS alone
        numbers, _ = drained(
            dial(server, DATABASE="master"), f"BACKUP DATABASE [CM_ABC] TO DISK = N'{COPY}\\b.bak' WITH STATS = 10"
        )
        assert do == "drop"
        assert 3014 not in numbers
    for _ in range(100):
        if not server.instance.activity.requests():
            break
    server.stop()
    assert list(server.instance.resolve(COPY).iterdir()) == []
    assert server.instance.backups == []


def test_a_restore_that_ends_half_way_is_seen_and_can_be_dropped(serve: Serve, dial: Ask) -> None:
    server = serve()
    server.instance.resolve(COPY).mkdir(parents=True)
    connection = dial(server, DATABASE="master")
    drained(connection, f"BACKUP DATABASE [CM_ABC] TO DISK = N'{COPY}\\b.bak'")
    server.faults.statement("restore", "io_error", at=60)
    move = f"MOVE N'CM_ABC' TO N'{COPY}\\r.mdf', MOVE N'CM_ABC_log' TO N'{COPY}\\r.ldf'"
    refused(connection, f"RESTORE DATABASE [r] FROM DISK = N'{COPY}\\b.bak' WITH {move}", 3203, 3013)
    _, [[row]] = drained(connection, "SELECT state_desc AS s FROM sys.databases WHERE name = 'r'")
    assert row["s"] == "RESTORING"
    drained(connection, "DROP DATABASE [r]")
    assert [path.name for path in server.instance.resolve(COPY).iterdir()] == ["b.bak"]


def test_a_hanging_checkdb_is_seen_by_others_and_ends_with_its_client(serve: Serve, dial: Ask) -> None:
    server = serve()
    server.faults.statement("checkdb", "hang", at=50)
    connection = dial(server, DATABASE="master")
    connection.timeout = 1
    with pytest.raises(Exception):  # noqa: B017, PT011  # HYT00 in both, under two classes
        drained(connection, "DBCC CHECKDB ([CM_ABC]) WITH TABLERESULTS, NO_INFOMSGS")
    server.faults.statement("checkdb", "hang", at=50)
    with server.instance.activity.running(99, "DBCC TABLE CHECK", "CM_ABC") as request:
        request.percent = 37.5
        _, [rows] = drained(
            dial(server),
            "SELECT session_id AS s, percent_complete AS p FROM sys.dm_exec_requests WHERE command LIKE 'DBCC%'",
        )
    assert [(row["s"], row["p"]) for row in rows] == [(99, 37.5)]


def test_single_user_ends_the_others_and_a_drop_waits_for_nobody(serve: Serve, dial: Ask) -> None:
    server = serve()
    connection, other = dial(server, DATABASE="master"), dial(server)
    refused(connection, "DROP DATABASE [CM_ABC]", 3702)
    drained(connection, "ALTER DATABASE [CM_ABC] SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
    with pytest.raises(Exception):  # noqa: B017, PT011  # its connection is gone
        drained(other, "SELECT 1 AS one")
    drained(connection, "DROP DATABASE [CM_ABC]")
    assert server.instance.databases == {}


def test_the_broker_of_a_copy_stays_off_beside_its_original(serve: Serve, dial: Ask) -> None:
    server = serve()
    connection = dial(server, DATABASE="master")
    drained(connection, attach_as("x", copied(server)))
    refused(connection, "ALTER DATABASE [x] SET ENABLE_BROKER WITH ROLLBACK IMMEDIATE", 9772)
    drained(connection, "ALTER DATABASE [x] SET NEW_BROKER WITH ROLLBACK IMMEDIATE")
    assert server.instance.databases["x"].options()["broker"] == "1"


def test_who_is_no_sysadmin_makes_no_backup_and_attaches_nothing(serve: Serve, dial: Ask) -> None:
    server = serve()
    files = copied(server)
    connection = dial(server, UID="reader", PWD="r", DATABASE="master")
    refused(connection, attach_as("x", files), 262)
    refused(connection, "BACKUP DATABASE [CM_ABC] TO DISK = N'D:\\Copy\\b.bak'", 262, 3013)
    refused(connection, "DBCC CHECKDB ([CM_ABC]) WITH TABLERESULTS", 7983)
