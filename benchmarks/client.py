"""One measured client in a process of its own: prints seconds, its CPU seconds and its peak memory as JSON.

client.py CASE INVENTORY RUNS [N]
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from pypsrp.client import Client
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan, WSManAction

from sitekeeper.engine import module as modules
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.inventory import inventory_reader as inventories
from sitekeeper.engine.language import playbook_reader
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Change, Plan, Record, Result
from sitekeeper.engine.run.run import Options, Run
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import Part
from sitekeeper.model.store import Staging
from sitekeeper.model.windows import ShadowCopy, ShadowSet
from sitekeeper.store.pull import Pull, PullParams
from sitekeeper.transport.context import HostConnector, HostContext
from sitekeeper.windows.vss import tool_texts

HOST = "PR2"
BIG = "bench\\big.bin"
SMALL = "bench\\small"
SERVICE = "Win32_Service.Name='Spooler'"


class Read(Module[Params, None, Result]):
    """A task that reads one thing."""

    called = "bench.read"
    needs = Needs(cmdlets={"Get-Service": {"Name": ("Spooler",)}})

    def plan(self, ctx: Context, params: Params) -> Plan[None, Result]:
        return Plan(result=Result(msg=str(len(ctx.ps.call("Get-Service", Name=["Spooler"])))))


class Changed(Record):
    """Nothing to remember."""


class Alter(Module[Params, Changed, Result]):
    """A task that changes one thing: asks a running service to start."""

    called = "bench.change"
    needs = Needs(cmdlets={"Invoke-WmiMethod": {"Path": ".*", "Name": ("StartService",)}})

    def plan(self, ctx: Context, params: Params) -> Plan[Changed, Result]:
        return Plan(result=Result(changed=True), changes=(Change("service", "Running", "Running"),), intent=Changed())

    def apply(self, ctx: Context, params: Params, plan: Plan[Changed, Result]) -> Result:
        ctx.ps.change("Invoke-WmiMethod", Path=SERVICE, Name="StartService")
        return Result(changed=True)


class Timed:
    """Measures from its first lap to its last."""

    def __init__(self) -> None:
        self.start = 0.0
        self.seconds = 0.0
        self.more: dict[str, float] = {}
        """Measured beside it."""

    def begin(self) -> None:
        self.start = time.perf_counter()

    def end(self) -> None:
        self.seconds = time.perf_counter() - self.start


def context(inventory: inventories.Inventory) -> HostContext:
    connector = HostConnector(
        inventory, SystemClock(), run_id=f"bench-{os.getpid()}", owner="bench", check=False, stop=Event(), extra={}
    )
    opened = connector.open(HOST, lambda *_: None).context
    assert isinstance(opened, HostContext)
    return opened


def wsman(inventory: inventories.Inventory) -> WSMan:
    values = inventory.vars_of(HOST)
    return WSMan(
        values["ansible_host"],
        port=values["ansible_port"],
        username=values["ansible_user"],
        password=values["ansible_password"].reveal(),
        ssl=False,
        auth="negotiate",
        no_proxy=True,
    )


def tasks(kind: type[Module[Any, Any, Any]], count: int, inventory: inventories.Inventory, timed: Timed) -> None:
    """A playbook of ``count`` tasks through the whole engine: journal, events, templating, all of it."""
    available = modules.available
    modules.available = lambda: {**available(), kind.called: kind}  # type: ignore[assignment]  # a module for this process only
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "play.yml"
        file.write_text(
            f"- hosts: {HOST}\n  tasks:\n    - name: warm\n      {kind.called}:\n"
            f"    - name: measured\n      {kind.called}:\n      loop: {list(range(count))}\n"
        )

        def connect(run_id: str, stop: Event) -> HostConnector:
            return HostConnector(
                inventory, SystemClock(), run_id=run_id, owner="bench", check=False, stop=stop, extra={}
            )

        def listen(event: Any) -> None:
            if type(event).__name__ == "TaskEnded" and event.task == "warm":
                timed.begin()
            if type(event).__name__ == "TaskEnded":
                timed.end()

        run = Run(playbook_reader.load(file), inventory, connect, Options(runs=Path(folder) / "runs"), (listen,))
        assert run.run().exit_code == 0


def plain_read(count: int, inventory: inventories.Inventory, timed: Timed) -> None:
    with wsman(inventory) as connection, RunspacePool(connection) as pool:
        for number in range(count + 1):
            if number == 1:
                timed.begin()
            with PowerShell(pool) as shell:
                shell.add_cmdlet("Get-Service").add_parameter("Name", ["Spooler"])
                assert shell.invoke()
        timed.end()


def plain_change(count: int, inventory: inventories.Inventory, timed: Timed) -> None:
    with wsman(inventory) as connection, RunspacePool(connection) as pool:
        for number in range(count + 1):
            if number == 1:
                timed.begin()
            with PowerShell(pool) as shell:
                shell.add_cmdlet("Invoke-WmiMethod").add_parameters({"Path": SERVICE, "Name": "StartService"})
                assert shell.invoke()
        timed.end()


def single_reads(count: int, inventory: inventories.Inventory, timed: Timed) -> None:
    """Ten single commands, ``count`` times."""
    ctx = context(inventory)
    ctx.ps.call("Get-Service", Name=["Spooler"])
    timed.begin()
    for _ in range(count):
        for _ in range(10):
            ctx.ps.call("Get-Service", Name=["Spooler"])
    timed.end()
    ctx.close()


def batched_reads(count: int, inventory: inventories.Inventory, timed: Timed) -> None:
    """The same ten in one plan."""
    ctx = context(inventory)
    ctx.ps.call("Get-Service", Name=["Spooler"])
    timed.begin()
    for _ in range(count):
        answers = ctx.ps.read([Call("Get-Service", {"Name": ["Spooler"]})] * 10)
        assert all(answer.output for answer in answers)
    timed.end()
    ctx.close()


def shadow(ctx: HostContext) -> ShadowSet:
    """A shadow copy of D:, made as the backup makes one (the services may run: nothing of it is published)."""
    rows = ctx.ps.call("Get-WmiObject", Class="Win32_Volume")
    volume = next(row for row in rows if row["Name"] == "D:\\")
    guid = str(volume["DeviceID"])[11:47].lower()
    ctx.lease.take()
    (made,) = ctx.ps.change(
        "New-SkShadowSet",
        Drive="D",
        Run=ctx.run_id,
        Volume=[guid],
        Service=[],
        Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"],
    )
    mark = tool_texts.read_mark(str(made["Mark"]))
    copies = tuple(ShadowCopy(host=HOST, drive="D", index=n, volume=v, name="D:\\", id=i) for n, v, i in mark.copies)
    return ShadowSet(set_id=mark.set_id, copies=copies)


def pull(path: str, inventory: inventories.Inventory, timed: Timed) -> None:
    """``store.pull`` of one path, hashes on both ends included."""
    ctx = context(inventory)
    snapshot = shadow(ctx)
    folder = Path(tempfile.mkdtemp())
    staging = Staging(id="PR2-000001", store=str(folder), folder=str(folder))
    part = Part(kind="files", host=HOST, volume=snapshot.copies[0].volume, path=path, to="out")
    module = Pull()
    params = PullParams(set=staging, snapshot=snapshot, what=(part,))
    plan = module.plan(ctx, params)
    timed.begin()
    result = module.apply(ctx, params, plan)
    timed.end()
    assert result.files
    ctx.ps.change("Remove-SkShadowSet", Drive="D", Run=ctx.run_id)
    ctx.lease.give_back()
    ctx.close()
    shutil.rmtree(folder)


def decrypt_only(inventory: inventories.Inventory, timed: Timed) -> None:
    """The same stream, received and decrypted and thrown away: what no client can be faster than."""
    ctx = context(inventory)
    snapshot = shadow(ctx)
    ps = ctx.ps
    ps._load_functions("Read-SkFile")  # noqa: SLF001 - a client that does less than ours must reach below it
    shell = ps._open_shell()  # noqa: SLF001
    from sitekeeper.transport.psrp import shell as shells  # noqa: PLC0415
    from sitekeeper.transport.psrp.request import Statement  # noqa: PLC0415

    copy = snapshot.copies[0]
    call = Call("Read-SkFile", {"Drive": "D", "Run": ctx.run_id, "Index": copy.index, "Path": [BIG], "Offset": 0})
    timed.begin()
    pipeline = shell.start([Statement(call)])
    resource, options = shells._receive_request(pipeline)  # noqa: SLF001
    while True:
        envelope = shell._envelope(WSManAction.RECEIVE, resource, options, 20)  # noqa: SLF001
        if b"CommandState/Done" in shell._exchange(envelope, repeat=True):  # noqa: SLF001
            break
    timed.end()
    shell.end(pipeline)
    ps.change("Remove-SkShadowSet", Drive="D", Run=ctx.run_id)
    ctx.lease.give_back()
    ctx.close()


def fetch(inventory: inventories.Inventory, timed: Timed) -> None:
    """pypsrp's own ``Client.fetch``."""
    values = inventory.vars_of(HOST)
    with (
        tempfile.TemporaryDirectory() as folder,
        Client(
            values["ansible_host"],
            port=values["ansible_port"],
            username=values["ansible_user"],
            password=values["ansible_password"].reveal(),
            ssl=False,
            auth="negotiate",
            no_proxy=True,
        ) as client,
    ):
        timed.begin()
        client.fetch(f"D:\\{BIG}", str(Path(folder) / "big.bin"))
        timed.end()


def main() -> None:
    case, inventory_file = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    inventory = inventories.load(Path(inventory_file))
    timed = Timed()
    cases: dict[str, Callable[[], None]] = {
        "read": lambda: tasks(Read, count, inventory, timed),
        "plain-read": lambda: plain_read(count, inventory, timed),
        "change": lambda: tasks(Alter, count, inventory, timed),
        "plain-change": lambda: plain_change(count, inventory, timed),
        "single-reads": lambda: single_reads(count, inventory, timed),
        "batched-reads": lambda: batched_reads(count, inventory, timed),
        "pull-big": lambda: pull(BIG, inventory, timed),
        "pull-small": lambda: pull(SMALL, inventory, timed),
        "decrypt-only": lambda: decrypt_only(inventory, timed),
        "fetch": lambda: fetch(inventory, timed),
    }
    tell(cases[case], timed)


def tell(case: Callable[[], None], timed: Timed) -> None:
    """Run a case and print what it cost."""
    cpu = time.process_time()
    case()
    seen = {"seconds": timed.seconds, "cpu": time.process_time() - cpu, "rss_mb": peak_mb()}
    print(json.dumps(seen | timed.more))


def peak_mb() -> float:
    """Highest resident size of this program (ru_maxrss would count the parent's before exec, too)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
