function Get-SkGuardScript {
    # The lines of a guard's script: native commands only, so that no execution policy applies, with every path and name written
    # out. Its state is files in its folder: the count is a file's name, because renaming needs no room on a full disk and is
    # whole or not at all. Whether a service runs is judged by a number: sc's line of the state is the only one with ": 4  " and
    # no parenthesis after it (those are exit codes), in any language.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Number, [int]$Minutes, [string[]]$Service, [string]$Kind)
    trap { break }  # a failed .NET call would only end its statement
    if (@('window', 'leak') -cnotcontains $Kind) { throw 'SkInvalidKind' }
    if (-not $Run) { throw 'SkInvalidRun' }
    if ($Number -lt 1 -or $Number -gt 9999) { throw 'SkInvalidNumber' }
    if ($Minutes -lt 1 -or $Minutes -gt 10080) { throw 'SkInvalidMinutes' }
    $names = @($Service | Where-Object { $_ })
    foreach ($one in $names) { if ($one -cnotmatch '^[A-Za-z0-9_$.-]{1,80}\z') { throw 'SkInvalidService' } }
    [void](Get-SkFolder -Drive $Drive -Run $Run)
    $held = $null
    if ([IO.Directory]::Exists((Get-SkFolder -Drive $Drive))) { $held = Read-SkLease -Drive $Drive }
    $generation = [long]0
    if ($held) { $generation = $held.Generation }
    $system = @(Get-WmiObject -Class Win32_OperatingSystem -ErrorAction Stop)[0]
    $old = $system.Version -like '5.*'
    $root = $Drive + ':\sitekeeper'
    $here = $root + '\' + $Run + '\guard\' + $Number
    $mine = 'guard ' + $Number + ' of ' + $Run + '.'
    $tools = '%SystemRoot%\system32\'
    $find = $tools + 'find.exe'
    $task = 'sitekeeper-' + $Run + '-' + $Number

    # Counts.
    '@echo off'
    ('rem sitekeeper, ' + $mine + ' Every minute: after ' + $Minutes + ' runs in a row without a beat it acts, as ' + $Kind + ' guard.')
    'setlocal'
    ('if exist ' + $here + '\done.txt goto gone')
    ('if not exist ' + $here + '\seen.txt >' + $here + '\seen.txt echo seen')
    ('if exist ' + $here + '\acting.txt goto act')
    'set count='
    'set next=0'
    ('for %%f in (' + $here + '\*.count) do set count=%%~nf')
    'if not defined count goto act'
    ('if not exist ' + $here + '\beat.txt goto tick')
    ('del /f /q ' + $here + '\beat.txt')
    ('if exist ' + $here + '\beat.txt goto tick')
    ('if not "%count%"=="0" ren ' + $here + '\%count%.count 0.count')
    'exit /b 0'
    ':tick'
    'set /a next=count+1'
    ('ren ' + $here + '\%count%.count %next%.count')
    ('if %next% lss ' + $Minutes + ' exit /b 0')
    ':act'
    ('call :locked 9>' + $root + '\lease.lock')
    ('if not exist ' + $here + '\done.txt exit /b 0')
    ':gone'
    if ($old) { ($tools + 'schtasks.exe /delete /tn ' + $task + '-start /f >nul 2>&1') }
    ($tools + 'schtasks.exe /delete /tn ' + $task + ' /f >nul 2>&1')
    'exit /b 0'

    # Takes the lease, so that whoever held it is fenced. The last beat may have come before the lock was had.
    ':locked'
    ('if not exist ' + $here + '\guard.cmd exit /b 0')
    ('if exist ' + $here + '\acting.txt goto acting')
    ('if not exist ' + $here + '\beat.txt goto late')
    ('del /f /q ' + $here + '\beat.txt')
    ('if exist ' + $here + '\beat.txt goto late')
    ('ren ' + $here + '\%next%.count 0.count')
    'exit /b 0'
    ':late'
    if ($Kind -eq 'leak') {
        # Another run's lease is none of its business: it drops only what is this run's.
        'set holder='
        ('for /f %%h in (' + $root + '\lease.txt) do if not defined holder set holder=%%h')
        ('if not "%holder%"=="' + $Run + '" goto taken')
    }
    'set generation='
    ('for /f %%g in (' + $root + '\generation.txt) do set generation=%%g')
    ('if not defined generation set generation=' + $generation)
    'set /a generation=generation+1'
    ('>' + $root + '\generation.new echo %generation%')
    'set written='
    ('for /f %%g in (' + $root + '\generation.new) do set written=%%g')
    ('if "%written%"=="%generation%" move /y ' + $root + '\generation.new ' + $root + '\generation.txt >nul')
    ('>' + $root + '\lease.new echo guard')
    ('>>' + $root + '\lease.new echo ' + $mine)
    ('>>' + $root + '\lease.new echo %generation%')
    ('>>' + $root + '\lease.new echo 9000-01-01T00:00:00.0000000Z')
    ('move /y ' + $root + '\lease.new ' + $root + '\lease.txt >nul')
    ($find + ' "' + $mine + '" ' + $root + '\lease.txt >nul')
    'if not errorlevel 1 goto taken'
    # No room for it, or somebody is reading the old one. Where there is no lease, nobody may change anything either.
    ('del /f /q ' + $root + '\lease.txt')
    ('if exist ' + $root + '\lease.txt exit /b 0')
    ':taken'
    ('>' + $here + '\acting.txt echo acting')
    ('>' + $here + '\acted.txt echo no beat for ' + $Minutes + ' minutes')
    ':acting'
    'set left='
    if ($Kind -eq 'window') {
        foreach ($one in $names) { ('call :service ' + $one) }
        'if not defined left goto running'
        ('if exist ' + $here + '\settled.txt del /f /q ' + $here + '\settled.txt')
        'exit /b 0'
        ':running'
        ('if exist ' + $here + '\settled.txt goto over')
        ('>' + $here + '\settled.txt echo running')
        'exit /b 0'
    } else {
        foreach ($volume in @(Get-WmiObject -Class Win32_Volume -ErrorAction Stop)) {
            if (-not $volume.DriveLetter -or $volume.DriveType -ne 3) { continue }
            $work = $volume.DriveLetter.Substring(0, 1) + ':\sitekeeper\' + $Run
            ('if exist ' + $work + '\shadow call :drop ' + $volume.DriveLetter.Substring(0, 1))
            ('if exist ' + $work + '\registry rmdir /s /q ' + $work + '\registry')
            ('if exist ' + $work + '\registry set left=yes')
        }
        'if defined left exit /b 0'
    }
    ':over'
    ('>>' + $here + '\acted.txt echo done')
    ('>' + $here + '\done.txt echo done')
    $number = 1
    $text = 'its services were started'
    if ($Kind -eq 'leak') {
        $number = 2
        $text = 'what it had marked of shadow copies and its exports were dropped'
    }
    ($tools + 'eventcreate.exe /l APPLICATION /so sitekeeper /t WARNING /id ' + $number + ' /d "Run ' + $Run + ' was not heard from for ' + $Minutes + ' minutes: ' + $text + ' by its guard. See ' + $here + '\acted.txt" >nul 2>&1')
    ($find + ' "' + $mine + '" ' + $root + '\lease.txt >nul 2>&1')
    ('if not errorlevel 1 del /f /q ' + $root + '\lease.txt')
    'exit /b 0'
    if ($Kind -eq 'window') {
        # What is not running is started. One that is on its way to stop or to start refuses that (1056, runs already), and is
        # asked again in a minute.
        ':service'
        ($tools + 'sc.exe query %1 | ' + $find + ' ": 4  (" >nul')
        'if not errorlevel 1 goto start'
        ($tools + 'sc.exe query %1 | ' + $find + ' ": 4  " >nul')
        'if not errorlevel 1 exit /b 0'
        ':start'
        'set left=yes'
        ($tools + 'sc.exe start %1 >nul 2>&1')
        ('>>' + $here + '\acted.txt echo start %1, answered %errorlevel%')
        'exit /b 0'
        return
    }
    # The copies that were written down when they were made; the folder with that mark only when they are seen to be gone.
    $shadow = '%1:\sitekeeper\' + $Run + '\shadow'
    ':drop'
    # Where no mark was written, nobody knows whose the copies are that have come since: they and the folder are left to people.
    ('if not exist ' + $shadow + '\before.txt goto marked')
    ($find + ' /i "set {" ' + $shadow + '\mark.txt >nul 2>&1')
    'if not errorlevel 1 goto marked'
    ($find + ' /i "SHADOW_SET_ID={" ' + $shadow + '\setvar.cmd >nul 2>&1')
    'if not errorlevel 1 goto marked'
    ('>>' + $here + '\acted.txt echo left ' + $shadow + ', which has no mark: copies that were made may be left')
    'exit /b 0'
    ':marked'
    'set kept='
    ('for /d %%d in (' + $shadow + '\*) do ' + $tools + 'mountvol.exe %%d /D >nul 2>&1')
    if ($old) {
        ('for /f "tokens=1,4" %%a in (' + $shadow + '\mark.txt) do if "%%a"=="copy" ' + $tools + 'vssadmin.exe delete shadows /shadow=%%b /quiet >nul 2>&1')
        ('for /f "tokens=1,4" %%a in (' + $shadow + '\mark.txt) do if "%%a"=="copy" if exist %1:\sitekeeper\vshadow.exe %1:\sitekeeper\vshadow.exe -ds=%%b >nul 2>&1')
        ('for /f "tokens=2 delims={}" %%b in (' + $shadow + '\setvar.cmd) do if exist %1:\sitekeeper\vshadow.exe %1:\sitekeeper\vshadow.exe -ds={%%b} >nul 2>&1')
        ('for /f "tokens=2 delims={}" %%b in (' + $shadow + '\setvar.cmd) do call :check %%b')
    } else {
        ('if exist ' + $here + '\drop.dsh del /f /q ' + $here + '\drop.dsh')
        ('for /f "tokens=1,2" %%a in (' + $shadow + '\mark.txt) do if "%%a"=="set" >>' + $here + '\drop.dsh echo delete shadows set %%b')
        ('if exist ' + $here + '\drop.dsh ' + $tools + 'diskshadow.exe /s ' + $here + '\drop.dsh >nul 2>&1')
    }
    ('for /f "tokens=1,4" %%a in (' + $shadow + '\mark.txt) do if "%%a"=="copy" call :check %%b')
    # A list without copies says nothing while VSS itself does not answer: its own provider must be listed.
    ($tools + 'vssadmin.exe list providers | ' + $find + ' /i "{b5946137-7b9f-4925-af80-51abd60b20d5}" >nul')
    'if errorlevel 1 set kept=yes'
    ('if not defined kept >>' + $here + '\acted.txt echo dropped ' + $shadow)
    ('if not defined kept rmdir /s /q ' + $shadow)
    ('if exist ' + $shadow + ' set left=yes')
    'exit /b 0'
    ':check'
    ($tools + 'vssadmin.exe list shadows | ' + $find + ' /i "%1" >nul')
    'if not errorlevel 1 set kept=yes'
    'exit /b 0'
}
