"""The twin of Get-SkGuardScript.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sitekeeper_lab.functions.shared.twin import Call, number, text, thrown, twin, value_of

SHA256 = "dafb70bfc594a705008f5dc0007b84aba14d2512266a0e3ebedde136a7fecc8d"

_SERVICE = re.compile(r"[A-Za-z0-9_$.-]{1,80}\Z")
_TOOLS = "%SystemRoot%\\system32\\"
_FIND = _TOOLS + "find.exe"
_PROVIDER = "{b5946137-7b9f-4925-af80-51abd60b20d5}"


@dataclass(frozen=True, slots=True)
class _Guard:
    drive: str
    run: str
    number: int
    minutes: int
    kind: str
    services: tuple[str, ...]
    letters: tuple[str, ...]
    generation: int
    old: bool

    @property
    def root(self) -> str:
        return f"{self.drive}:\\sitekeeper"

    @property
    def here(self) -> str:
        return f"{self.root}\\{self.run}\\guard\\{self.number}"

    @property
    def mine(self) -> str:
        return f"guard {self.number} of {self.run}."

    @property
    def task(self) -> str:
        return f"sitekeeper-{self.run}-{self.number}"


def run(call: Call) -> Iterator[str]:
    """The lines of a guard's script."""
    drive, run_id, host = text(call, "Drive"), text(call, "Run"), call.host
    if text(call, "Kind") not in {"window", "leak"}:
        raise thrown("SkInvalidKind")
    if not run_id:
        raise thrown("SkInvalidRun")
    if not 1 <= number(call, "Number") <= 9999:
        raise thrown("SkInvalidNumber")
    if not 1 <= number(call, "Minutes") <= 10080:
        raise thrown("SkInvalidMinutes")
    names = tuple(name for name in call.bound.texts("Service") or [] if name)
    if not all(_SERVICE.match(name) for name in names):
        raise thrown("SkInvalidService")
    call.one("Get-SkFolder", Drive=drive, Run=run_id)
    held = call.function("Read-SkLease", Drive=drive) if host.exists(call.one("Get-SkFolder", Drive=drive)) else []
    guard = _Guard(
        drive,
        run_id,
        number(call, "Number"),
        number(call, "Minutes"),
        text(call, "Kind"),
        names,
        tuple(volume.letter[0] for volume in host.machine.volumes if volume.letter),
        int(value_of(held[0], "Generation")) if held else 0,
        host.machine.os.level < (6, 0),
    )
    yield from _counts(guard)
    yield from _takes_the_lease(guard)
    yield from (_starts(guard) if guard.kind == "window" else _drops(guard))
    yield from _ends(guard)
    yield from (_service(guard) if guard.kind == "window" else _drop(guard))


def _counts(guard: _Guard) -> Iterator[str]:
    here, minutes = guard.here, guard.minutes
    yield "@echo off"
    yield (
        f"rem sitekeeper, {guard.mine} Every minute: after {minutes} runs in a row without a beat it acts, "
        f"as {guard.kind} guard."
    )
    yield "setlocal"
    yield f"if exist {here}\\done.txt goto gone"
    yield f"if not exist {here}\\seen.txt >{here}\\seen.txt echo seen"
    yield f"if exist {here}\\acting.txt goto act"
    yield "set count="
    yield "set next=0"
    yield f"for %%f in ({here}\\*.count) do set count=%%~nf"
    yield "if not defined count goto act"
    yield f"if not exist {here}\\beat.txt goto tick"
    yield f"del /f /q {here}\\beat.txt"
    yield f"if exist {here}\\beat.txt goto tick"
    yield f'if not "%count%"=="0" ren {here}\\%count%.count 0.count'
    yield "exit /b 0"
    yield ":tick"
    yield "set /a next=count+1"
    yield f"ren {here}\\%count%.count %next%.count"
    yield f"if %next% lss {minutes} exit /b 0"
    yield ":act"
    yield f"call :locked 9>{guard.root}\\lease.lock"
    yield f"if not exist {here}\\done.txt exit /b 0"
    yield ":gone"
    if guard.old:
        yield f"{_TOOLS}schtasks.exe /delete /tn {guard.task}-start /f >nul 2>&1"
    yield f"{_TOOLS}schtasks.exe /delete /tn {guard.task} /f >nul 2>&1"
    yield "exit /b 0"


def _takes_the_lease(guard: _Guard) -> Iterator[str]:
    here, root = guard.here, guard.root
    yield ":locked"
    yield f"if not exist {here}\\guard.cmd exit /b 0"
    yield f"if exist {here}\\acting.txt goto acting"
    yield f"if not exist {here}\\beat.txt goto late"
    yield f"del /f /q {here}\\beat.txt"
    yield f"if exist {here}\\beat.txt goto late"
    yield f"ren {here}\\%next%.count 0.count"
    yield "exit /b 0"
    yield ":late"
    if guard.kind == "leak":
        yield "set holder="
        yield f"for /f %%h in ({root}\\lease.txt) do if not defined holder set holder=%%h"
        yield f'if not "%holder%"=="{guard.run}" goto taken'
    yield "set generation="
    yield f"for /f %%g in ({root}\\generation.txt) do set generation=%%g"
    yield f"if not defined generation set generation={guard.generation}"
    yield "set /a generation=generation+1"
    yield f">{root}\\generation.new echo %generation%"
    yield "set written="
    yield f"for /f %%g in ({root}\\generation.new) do set written=%%g"
    yield f'if "%written%"=="%generation%" move /y {root}\\generation.new {root}\\generation.txt >nul'
    yield f">{root}\\lease.new echo guard"
    yield f">>{root}\\lease.new echo {guard.mine}"
    yield f">>{root}\\lease.new echo %generation%"
    yield f">>{root}\\lease.new echo 9000-01-01T00:00:00.0000000Z"
    yield f"move /y {root}\\lease.new {root}\\lease.txt >nul"
    yield f'{_FIND} "{guard.mine}" {root}\\lease.txt >nul'
    yield "if not errorlevel 1 goto taken"
    yield f"del /f /q {root}\\lease.txt"
    yield f"if exist {root}\\lease.txt exit /b 0"
    yield ":taken"
    yield f">{here}\\acting.txt echo acting"
    yield f">{here}\\acted.txt echo no beat for {guard.minutes} minutes"
    yield ":acting"
    yield "set left="


def _starts(guard: _Guard) -> Iterator[str]:
    here = guard.here
    for name in guard.services:
        yield f"call :service {name}"
    yield "if not defined left goto running"
    yield f"if exist {here}\\settled.txt del /f /q {here}\\settled.txt"
    yield "exit /b 0"
    yield ":running"
    yield f"if exist {here}\\settled.txt goto over"
    yield f">{here}\\settled.txt echo running"
    yield "exit /b 0"


def _drops(guard: _Guard) -> Iterator[str]:
    for letter in guard.letters:
        work = f"{letter}:\\sitekeeper\\{guard.run}"
        yield f"if exist {work}\\shadow call :drop {letter}"
        yield f"if exist {work}\\registry rmdir /s /q {work}\\registry"
        yield f"if exist {work}\\registry set left=yes"
    yield "if defined left exit /b 0"


def _ends(guard: _Guard) -> Iterator[str]:
    here, root = guard.here, guard.root
    event, done = 1, "its services were started"
    if guard.kind == "leak":
        event, done = 2, "what it had marked of shadow copies and its exports were dropped"
    yield ":over"
    yield f">>{here}\\acted.txt echo done"
    yield f">{here}\\done.txt echo done"
    yield (
        f"{_TOOLS}eventcreate.exe /l APPLICATION /so sitekeeper /t WARNING /id {event} "
        f'/d "Run {guard.run} was not heard from for {guard.minutes} minutes: {done} by its guard. '
        f'See {here}\\acted.txt" >nul 2>&1'
    )
    yield f'{_FIND} "{guard.mine}" {root}\\lease.txt >nul 2>&1'
    yield f"if not errorlevel 1 del /f /q {root}\\lease.txt"
    yield "exit /b 0"


def _service(guard: _Guard) -> Iterator[str]:
    yield ":service"
    yield f'{_TOOLS}sc.exe query %1 | {_FIND} ": 4  (" >nul'
    yield "if not errorlevel 1 goto start"
    yield f'{_TOOLS}sc.exe query %1 | {_FIND} ": 4  " >nul'
    yield "if not errorlevel 1 exit /b 0"
    yield ":start"
    yield "set left=yes"
    yield f"{_TOOLS}sc.exe start %1 >nul 2>&1"
    yield f">>{guard.here}\\acted.txt echo start %1, answered %errorlevel%"
    yield "exit /b 0"


def _drop(guard: _Guard) -> Iterator[str]:
    here, shadow = guard.here, f"%1:\\sitekeeper\\{guard.run}\\shadow"
    vshadow = "%1:\\sitekeeper\\vshadow.exe"
    yield ":drop"
    yield f"if not exist {shadow}\\before.txt goto marked"
    yield f'{_FIND} /i "set {{" {shadow}\\mark.txt >nul 2>&1'
    yield "if not errorlevel 1 goto marked"
    yield f'{_FIND} /i "SHADOW_SET_ID={{" {shadow}\\setvar.cmd >nul 2>&1'
    yield "if not errorlevel 1 goto marked"
    yield f">>{here}\\acted.txt echo left {shadow}, which has no mark: copies that were made may be left"
    yield "exit /b 0"
    yield ":marked"
    yield "set kept="
    yield f"for /d %%d in ({shadow}\\*) do {_TOOLS}mountvol.exe %%d /D >nul 2>&1"
    if guard.old:
        copies = f'for /f "tokens=1,4" %%a in ({shadow}\\mark.txt) do if "%%a"=="copy"'
        yield f"{copies} {_TOOLS}vssadmin.exe delete shadows /shadow=%%b /quiet >nul 2>&1"
        yield f"{copies} if exist {vshadow} {vshadow} -ds=%%b >nul 2>&1"
        found = f'for /f "tokens=2 delims={{}}" %%b in ({shadow}\\setvar.cmd) do'
        yield f"{found} if exist {vshadow} {vshadow} -ds={{%%b}} >nul 2>&1"
        yield f"{found} call :check %%b"
    else:
        yield f"if exist {here}\\drop.dsh del /f /q {here}\\drop.dsh"
        yield (
            f'for /f "tokens=1,2" %%a in ({shadow}\\mark.txt) do if "%%a"=="set" '
            f">>{here}\\drop.dsh echo delete shadows set %%b"
        )
        yield f"if exist {here}\\drop.dsh {_TOOLS}diskshadow.exe /s {here}\\drop.dsh >nul 2>&1"
    yield f'for /f "tokens=1,4" %%a in ({shadow}\\mark.txt) do if "%%a"=="copy" call :check %%b'
    yield f'{_TOOLS}vssadmin.exe list providers | {_FIND} /i "{_PROVIDER}" >nul'
    yield "if errorlevel 1 set kept=yes"
    yield f"if not defined kept >>{here}\\acted.txt echo dropped {shadow}"
    yield f"if not defined kept rmdir /s /q {shadow}"
    yield f"if exist {shadow} set left=yes"
    yield "exit /b 0"
    yield ":check"
    yield f'{_TOOLS}vssadmin.exe list shadows | {_FIND} /i "%1" >nul'
    yield "if not errorlevel 1 set kept=yes"
    yield "exit /b 0"


TWIN = twin(
    "Get-SkGuardScript",
    SHA256,
    run,
    Drive="string",
    Run="string",
    Number="int",
    Minutes="int",
    Service="string[]",
    Kind="string",
)
