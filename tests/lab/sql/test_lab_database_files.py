"""The lab's databases as files: what belongs together attaches, what does not is refused by name."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitekeeper_lab.sql.database import Database, DatabaseClosed, Instance, TornDatabase, attach, create_site_database


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "machine", host="SQL01")
    yield made
    made.close()


def copy(database: Database, to: Path) -> list[Path]:
    to.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(file.path, to)) for file in database.files]


def test_copies_of_one_instant_attach(instance: Instance, tmp_path: Path) -> None:
    database = create_site_database(instance, "ABC", data_dir=r"D:\Data", log_dir=r"E:\Log", bulk_bytes=100_000)
    database.set_counter(41)
    database.insert_traffic("console")
    assert database.mdf.path == tmp_path / "machine/D/Data/CM_ABC.mdf"
    mdf, ldf = copy(database, tmp_path / "copy")
    database.set_counter(42)
    found = attach(mdf, ldf)
    assert (found.name, found.counter, found.traffic) == ("CM_ABC", 41, 1)
    assert found.lsn == database.lsn - 1


def test_only_the_files_stand_on_the_volume(instance: Instance) -> None:
    database = create_site_database(instance, "ABC", secondary=True)
    with database.change("look") as data:
        data.execute("UPDATE LabCounter SET value = 9")
        assert {file.name for file in database.mdf.path.parent.iterdir()} == {
            "CM_ABC.mdf",
            "CM_ABC_2.ndf",
            "CM_ABC_log.ldf",
        }


def test_files_of_two_instants_are_torn(instance: Instance, tmp_path: Path) -> None:
    database = create_site_database(instance, "ABC", secondary=True)
    early = copy(database, tmp_path / "early")
    database.set_counter(1)
    late = copy(database, tmp_path / "late")
    assert attach(late[0], late[2], late[1]).counter == 1
    for mdf, ldf, ndf in (
        (early[0], late[2], late[1]),
        (late[0], early[2], late[1]),
        (late[0], late[2], early[1]),
    ):
        with pytest.raises(TornDatabase, match="not of one instant"):
            attach(mdf, ldf, ndf)
    with pytest.raises(TornDatabase, match="2 data files"):
        attach(late[0], late[2])


def test_a_missing_or_damaged_file_is_torn(instance: Instance, tmp_path: Path) -> None:
    database = create_site_database(instance, "ABC", bulk_bytes=200_000)
    other = create_site_database(instance, "DEF")
    database.set_counter(1)
    mdf, ldf = copy(database, tmp_path / "copy")
    strange = copy(other, tmp_path / "other")[1]
    with pytest.raises(TornDatabase, match="missing"):
        attach(mdf, tmp_path / "no.ldf")
    with pytest.raises(TornDatabase, match="missing"):
        attach(tmp_path / "no.mdf", ldf)
    with pytest.raises(TornDatabase, match="different databases"):
        attach(mdf, strange)
    log = ldf.read_bytes()
    ldf.write_bytes(log[:-1])
    with pytest.raises(TornDatabase, match="inside a record"):
        attach(mdf, ldf)
    ldf.write_bytes(log[:-1] + b"?")
    with pytest.raises(TornDatabase, match="checksum"):
        attach(mdf, ldf)
    ldf.write_bytes(log)
    data = bytearray(mdf.read_bytes())
    data[len(data) // 2] ^= 1
    mdf.write_bytes(data)
    with pytest.raises(TornDatabase, match="damaged"):
        attach(mdf, ldf)


def test_frozen_changes_wait_and_reads_do_not(instance: Instance, tmp_path: Path) -> None:
    database = create_site_database(instance, "ABC")
    instance.freeze()
    started = threading.Event()

    def write() -> None:
        started.set()
        database.set_counter(7)

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    assert database.counter() == 0
    mdf, ldf = copy(database, tmp_path / "copy")
    assert attach(mdf, ldf).counter == 0
    assert database.frozen
    instance.thaw()
    writer.join()
    assert database.counter() == 7


def test_who_holds_the_machines_lock_holds_every_write(instance: Instance, tmp_path: Path) -> None:
    databases = [create_site_database(instance, code) for code in ("ABC", "DEF")]
    stop = threading.Event()

    def work(database: Database) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            database.set_counter(number)
            database.insert_traffic("mp")

    workers = [threading.Thread(target=work, args=(database,)) for database in databases]
    for worker in workers:
        worker.start()
    try:
        for round_ in range(5):
            with instance.io_lock:
                copies = [copy(database, tmp_path / f"{round_}") for database in databases]
            for mdf, ldf in copies:
                attach(mdf, ldf)
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def test_a_failing_change_leaves_nothing(instance: Instance) -> None:
    database = create_site_database(instance, "ABC")
    before = database.lsn

    def fail() -> None:
        with database.change("no") as data:
            data.execute("UPDATE LabCounter SET value = 5")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (database.counter(), database.lsn) == (0, before)


def test_a_waiting_change_hears_that_the_database_went_offline(instance: Instance) -> None:
    database = create_site_database(instance, "ABC")
    database.freeze()
    heard: list[Exception] = []

    def write() -> None:
        try:
            database.set_counter(7)
        except DatabaseClosed as error:
            heard.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    instance.detach_database("CM_ABC")
    writer.join()
    assert len(heard) == 1


def test_it_opens_again_with_its_settings_and_attaching_drops_trust(instance: Instance) -> None:
    create_site_database(instance, "ABC").set_counter(3)
    instance.detach_database("CM_ABC")
    again = create_site_database(instance, "ABC")
    assert again.counter() == 3
    assert again.options()["trustworthy"] == "1"
    data, log = again.mdf.physical, again.log.physical
    instance.detach_database("CM_ABC")
    attached = instance.attach_database("drill", data=data, log=log)
    assert attached.options()["trustworthy"] == attached.options()["broker"] == "0"
    assert attached.counter() == 3


def test_a_log_ahead_of_the_data_rolls_back_and_one_behind_is_torn(instance: Instance) -> None:
    database = create_site_database(instance, "ABC")
    behind = database.log.path.read_bytes()
    mdf = database.mdf.path.read_bytes()
    database.set_counter(1)
    instance.detach_database("CM_ABC")
    ahead = database.mdf.path.read_bytes()
    database.mdf.path.write_bytes(mdf)
    assert create_site_database(instance, "ABC").counter() == 0
    instance.detach_database("CM_ABC")
    assert database.log.path.read_bytes() == behind
    database.mdf.path.write_bytes(ahead)
    with pytest.raises(TornDatabase, match="log only at"):
        create_site_database(instance, "ABC")
