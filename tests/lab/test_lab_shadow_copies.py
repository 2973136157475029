from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sitekeeper_lab.host import ADMINISTRATORS_ONLY, Rebooted
from sitekeeper_lab.windows.native import find_tool
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated

Sessions = Callable[[str], Any]
RUN = {"Drive": "D", "Run": "run-1"}


def ids(session: Any, *mounts: str) -> list[str]:
    return [next(v.id for v in session.host.machine.volumes if v.name == mount) for mount in mounts]


def make_set(session: Any, *mounts: str, exclude: bool = True) -> Any:
    said = session(
        "New-SkShadowSet",
        **RUN,
        Volume=ids(session, *mounts),
        Service=[],
        Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"] if exclude else [],
    )
    assert not said.errors, said.errors
    return said.output[0].extended


def diskshadow(session: Any, script: str) -> Answer:
    session.host.write("C:\\WINDOWS\\Temp\\x.dsh", script.encode("ascii"))
    tool = find_tool("diskshadow.exe", session.host)
    assert tool is not None
    return tool(["/s", "C:\\WINDOWS\\Temp\\x.dsh"], session.host)


def test_a_copy_keeps_the_bytes_of_its_instant(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    host, install = session.host, session.host.machine.site.install
    log, program = f"{install}\\logs\\sitecomp.log", f"{install}\\bin\\x64\\sitecomp.exe"
    before = host.read(log), host.read(program)
    make_set(session, "D:\\")
    with host.files.resolve(log).open("ab") as file:
        file.write(b"later\r\n")
    host.write(program, b"newer")
    host.write(f"{install}\\new.txt", b"new")
    host.delete_file(f"{install}\\data\\packageids.dat")
    frozen = "D:\\sitekeeper\\run-1\\shadow\\0" + install[2:]
    assert (host.read(f"{frozen}\\logs\\sitecomp.log"), host.read(f"{frozen}\\bin\\x64\\sitecomp.exe")) == before
    assert not host.exists(f"{frozen}\\new.txt")
    assert host.exists(f"{frozen}\\data\\packageids.dat")


def test_the_document_lists_a_database_whose_files_are_all_in_the_set(lab_session: Sessions) -> None:
    made = make_set(lab_session("PR2"), "D:\\", "E:\\", "E:\\Mounts\\Log\\")
    assert 'componentName="CM_PR2" logicalPath="PR2"' in made["Document"]
    assert 'backupType="copy"' in made["Document"]
    assert made["Mark"].startswith("run run-1\r\nset {")


def test_a_database_with_its_log_left_out_is_excluded_and_the_exit_code_says_nothing(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    made = make_set(session, "D:\\", "E:\\")
    assert made["ExitCode"] == 0
    assert "CM_PR2" not in made["Document"]
    assert 'Component "\\PR2\\CM_PR2" from writer "SqlServerWriter" is excluded from backup,' in made["Transcript"]
    assert not session.state.machine.events


def test_an_unrelated_volume_leaves_the_sql_writer_in_peace(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    make_set(session, "C:\\")
    assert not session.state.machine.events


def test_the_sms_writer_restarts_services_unless_it_is_excluded(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    before = session.state.service("SMS_EXECUTIVE").pid
    make_set(session, "D:\\")
    assert session.state.service("SMS_EXECUTIVE").pid == before
    session("Remove-SkShadowSet", **RUN)
    make_set(session, "D:\\", exclude=False)
    assert session.state.service("SMS_EXECUTIVE").pid != before


@pytest.mark.parametrize("code", ["0x8004231F", "0x80042306"])
def test_a_failing_create_shows_its_code_and_exits_with_zero(lab_session: Sessions, code: str) -> None:
    session = lab_session("PR2")
    session.host.faults.add("snapshot_fails", code=code)
    made = make_set(session, "D:\\")
    assert f"- Returned HRESULT: {code[2:].lower()}\n" in made["Transcript"]
    assert (made["ExitCode"], made["Mark"], session.state.machine.shadows) == (0, "", [])


def test_snapshot_in_progress_as_often_as_asked(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.host.faults.add("snapshot_in_progress", times=2)
    for _ in range(2):
        assert "80042316" in make_set(session, "D:\\")["Transcript"]
        session("Remove-SkShadowSet", **RUN)
    assert "80042316" not in make_set(session, "D:\\")["Transcript"]


def test_something_restarts_the_services_just_before_the_copy(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.host.faults.add("restart_between")
    said = session(
        "New-SkShadowSet",
        **RUN,
        Volume=ids(session, "D:\\"),
        Service=["SMS_EXECUTIVE"],
        Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"],
    )
    made = said.output[0].extended
    before, after = made["Before"][0].extended, made["After"][0].extended
    assert (before["State"], after["State"]) == ("Running", "Running")
    assert before["Pid"] != after["Pid"]


def test_a_reboot_just_before_the_copy_ends_whoever_asked_for_it(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    before = session.state.machine.boot_time
    cut = []
    session.host.on_reboot.append(lambda: cut.append(True))
    session.host.faults.add("reboot")
    with pytest.raises(Rebooted):
        session(
            "New-SkShadowSet",
            **RUN,
            Volume=ids(session, "D:\\"),
            Service=["SMS_EXECUTIVE"],
            Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"],
        )
    assert session.state.machine.boot_time != before
    assert session.state.machine.shadows == []
    assert cut == [True]


def test_copies_vanish_when_their_storage_runs_over(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    make_set(session, "D:\\", "E:\\")
    session.host.machine.storages[1].maximum = 1000  # of D:
    session.host.write("D:\\later.bin", bytes(2000))
    left = [item.extended["Exists"] for item in session("Test-SkShadowSet", **RUN).output]
    assert left == [False, True]
    assert {event.code for event in session.state.machine.events if event.source == "volsnap"} == {25, 36}
    assert session("Get-SkShadowRoot", **RUN, Index=0).failed.error_id == "SkNoShadowSet"
    assert not session("Remove-SkShadowSet", **RUN).errors
    assert session.state.machine.shadows == []


def test_a_fault_lets_all_copies_vanish_after_create(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.host.faults.add("vanish_after_create")
    said = session("New-SkShadowCopy", **RUN, Volume=ids(session, "D:\\")[0], Service=[])
    assert not said.errors
    assert [item.extended["Exists"] for item in session("Test-SkShadowSet", **RUN).output] == [False]


def test_removing_a_set_leaves_no_copy_no_link_and_no_bytes(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    make_set(session, "D:\\", "E:\\")
    other = session.host.machine.shadows[0]
    session("Invoke-WmiMethod", Class="Win32_ShadowCopy", Name="Create", ArgumentList=["ClientAccessible", "D:\\"])
    session("Remove-SkShadowSet", **RUN)
    assert [copy.client_accessible for copy in session.state.machine.shadows] == [True]
    assert other.id not in {path.name for path in (session.host.folder / "shadows").iterdir()}
    assert not session.host.exists("D:\\sitekeeper\\run-1\\shadow")


def test_server_2003_has_no_diskshadow_and_reads_copies_by_the_share(lab_session: Sessions) -> None:
    session = lab_session("PR1")
    said = session(
        "New-SkShadowSet",
        **{**RUN, "Run": "x"},
        Volume=ids(session, "D:\\"),
        Service=[],
        Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"],
    )
    assert said.failed.error_id == "CommandNotFoundException,New-SkShadowSet"
    session("New-SkShadowCopy", **RUN, Volume=ids(session, "D:\\")[0], Service=[])
    root = session("Get-SkShadowRoot", **RUN, Index=0).output[0]
    assert root.startswith("\\\\127.0.0.1\\D$\\@GMT-")
    assert session.host.read(f"{root}\\SMS\\data\\readonly.dat") == b"do not touch\r\n"
    assert [
        copy["State"] for copy in (o.adapted for o in session("Get-WmiObject", Class="Win32_ShadowCopy").output)
    ] == [12]


def with_vshadow(session: Any) -> Any:
    session.host.make_folder("D:\\sitekeeper")
    session.host.set_acl("D:\\sitekeeper", ADMINISTRATORS_ONLY)
    session.host.write("D:\\sitekeeper\\vshadow.exe", b"MZ")
    return session


def make_by_vshadow(session: Any) -> Any:
    said = session("New-SkVshadow", **RUN, Volume=ids(session, "D:\\", "C:\\"), Service=[], SqlWriter=False)
    assert not said.failed
    return said.output[0].extended


def test_vshadow_is_there_only_where_somebody_put_it(lab_session: Sessions) -> None:
    session = lab_session("PR1")
    assert find_tool("vshadow.exe", session.host) is None
    assert find_tool("D:\\sitekeeper\\vshadow.exe", session.host) is None
    assert session("New-SkVshadow", **RUN, Volume=[], Service=[]).failed.error_id == "SkVshadowMissing"
    assert find_tool("D:\\sitekeeper\\vshadow.exe", with_vshadow(session).host) is not None


def test_vshadow_copies_several_volumes_at_one_instant(lab_session: Sessions) -> None:
    session = with_vshadow(lab_session("PR1"))
    made = make_by_vshadow(session)
    assert made["ExitCode"] == 0
    copies = session.state.machine.shadows
    assert len({copy.set_id for copy in copies}) == len({copy.created for copy in copies}) == 1
    assert [copy.exposed for copy in copies] == [f"D:\\sitekeeper\\run-1\\shadow\\{number}\\" for number in (0, 1)]
    assert session.host.exists("D:\\sitekeeper\\run-1\\shadow\\1\\WINDOWS")
    assert {copy.client_accessible for copy in copies} == {False}


@pytest.mark.parametrize("prefix", ["SHADOW", "VSHADOW"])
def test_a_run_that_was_cut_off_before_its_mark_is_found_by_what_vshadow_wrote(
    lab_session: Sessions, prefix: str
) -> None:
    """Microsoft's page and its source name the variables differently."""
    session = with_vshadow(lab_session("PR1"))
    make_by_vshadow(session)
    script = "D:\\sitekeeper\\run-1\\shadow\\setvar.cmd"
    text = session.host.read(script).decode("ascii").replace("SET SHADOW", f"SET {prefix}")
    session.host.write(script, text.encode("ascii"))
    session.host.delete_file("D:\\sitekeeper\\run-1\\shadow\\mark.txt")
    session("Invoke-WmiMethod", Class="Win32_ShadowCopy", Name="Create", ArgumentList=["ClientAccessible", "D:\\"])
    assert not session("Remove-SkShadowSet", **RUN).errors
    assert [copy.client_accessible for copy in session.state.machine.shadows] == [True], "another's stays"
    assert not session.host.exists("D:\\sitekeeper\\run-1\\shadow")


def test_vshadow_on_another_windows_is_loud(lab_session: Sessions) -> None:
    session = with_vshadow(lab_session("PR2"))
    said = session("Test-SkVshadow", Drive="D", Try=True)
    assert said.failed.error_id.startswith("EmulatorNotImplemented")


def test_a_script_without_carriage_returns_loses_its_last_letters(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    with pytest.raises(NotEmulated, match="persisten"):
        diskshadow(session, "set context persistent\n")


def test_volatile_copies_and_copies_without_writers(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    lines = ["set context volatile nowriters", "add volume D: alias d", "create", "exit", ""]
    answer = diskshadow(session, "\r\n".join(lines))
    assert any("No_Writers" in line for line in answer.lines)
    assert session.state.machine.shadows == []


def test_every_database_is_a_component_and_what_lies_elsewhere_is_left_out(lab_session: Sessions) -> None:
    made = make_set(lab_session("PR2"), "D:\\", "E:\\", "E:\\Mounts\\Log\\")
    assert 'componentName="CM_PR2" logicalPath="PR2" componentType="filegroup"' in made["Document"]
    assert "backupSucceeded" not in made["Document"]
    assert 'componentName="master"' not in made["Document"]
    assert 'Component "\\PR2\\master" from writer "SqlServerWriter" is excluded' in made["Transcript"]


def test_an_id_that_is_none_is_refused(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    said = session("New-SkShadowSet", **RUN, Volume=ids(session, "D:\\"), Service=[], Exclude=["x} \r\ndelete"])
    assert "SkInvalidWriter" in str(said.failed)


def test_an_unknown_verb_is_loud(lab_session: Sessions) -> None:
    with pytest.raises(NotEmulated, match="mask"):
        diskshadow(lab_session("PR2"), "mask %d%\r\n")


def test_odd_files_are_in_the_listing_as_windows_has_them(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    make_set(session, "D:\\")
    blocks = session("Get-SkTree", **RUN, Index=0, Path="Program Files\\Microsoft Configuration Manager\\data").output
    lines = [line.split("\t") for block in blocks for line in block.split("\n")]
    found = {line[4].rpartition("\\")[2]: line for line in lines}
    assert found["junction"][0] == "L"
    assert "inside.txt" in found
    assert len([line for line in lines if line[4].endswith("inside.txt")]) == 1
    assert int(found["readonly.dat"][3]) & 1
    assert int(found["hidden.dat"][3]) & 2
    assert found["old.dat"][2] == "10000000"
    assert found["empty folder"][0] == "D"
    assert {"caf\u00e9.txt", "cafe\u0301.txt"} <= set(found)


def test_what_dotnet_cannot_open_is_named_and_not_read(lab_hierarchy: Any, lab_session: Any) -> None:
    spec = lab_hierarchy.hosts["PR2"]
    lab_hierarchy.hosts["PR2"] = spec.model_copy(update={"site": spec.site.model_copy(update={"out_of_reach": True})})
    session = lab_session("PR2")
    make_set(session, "D:\\")
    text = "\n".join(session("Get-SkTree", **RUN, Index=0, Path="Program Files").output)
    bad = [line for line in text.split("\n") if line.startswith("E")]
    assert bad
    assert all(line.endswith("PathTooLongException") for line in bad)
    dotted = next(line.split("\t")[4] for line in text.split("\n") if "Unix share" in line)
    blocks = session("Read-SkFile", **RUN, Index=0, Path=[dotted], Offset=0).output
    assert blocks == [b"\0\0\0\0" + b"\xff" * 8 + b"\x15\0\0\0" + b"FileNotFoundException"]


def test_a_failed_writer_shows_its_state(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    with session.host.faults.during("writer_failed", state=9, error="Timed out"):
        assert "State: [9] Failed\n   Last error: Timed out" in session("Get-SkVssWriter").output[0].extended["Text"]
    assert "Failed" not in session("Get-SkVssWriter").output[0].extended["Text"]


def test_a_full_disk_is_an_error_and_leaves_no_half_file(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session("Enter-SkLease", **RUN, Owner="ci", Seconds=60, AtLeast=0)
    session.host.faults.add("disk_full", volume="D:")
    said = session("Export-SkRegistry", **RUN, Name="SMS", View="native")
    assert said.ids == ["SkRegistryExport,Export-SkRegistry"]
    assert not said.output
    assert not session.host.exists("D:\\sitekeeper\\run-1\\registry\\sms.native.reg")
