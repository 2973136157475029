"""The SQL Server releases that the lab can be, with the names they give themselves.

Version numbers and service packs are those of Microsoft's build lists; the first lines of ``@@VERSION`` follow each
release's own habit (2005 writes two digits, 2008 to 2014 put the architecture of Windows in angle brackets). The internal
versions are those of sqlserverbuilds.blogspot.com and mssqltips 7261 (Microsoft documents none); 2025's is only believed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """One release at one service level."""

    year: str
    version: str
    """SERVERPROPERTY('ProductVersion')."""
    level: str
    """SERVERPROPERTY('ProductLevel')."""
    tds: int
    """The newest TDS version it speaks, as LOGINACK writes it."""
    windows: str
    """The end of ``@@VERSION``."""
    internal: int
    """The version that it writes into the files of its databases, which no older server opens."""

    @property
    def major(self) -> float:
        """9.0, 10.0, 10.5, 11.0 ...: what decides which views and columns exist."""
        first, second, *_ = self.version.split(".")
        return int(first) + (0.5 if second == "50" else 0.0)

    @property
    def compatibility(self) -> int:
        """The compatibility level of a database made here."""
        return int(self.major) * 10

    @property
    def lowest_compatibility(self) -> int:
        """What a database of an older server is raised to (ALTER DATABASE, compatibility level; 2014 and later: 100)."""
        return 100 if self.major >= 12 else 90 if self.major >= 11 else 80

    def banner(self, edition: str) -> str:
        """``@@VERSION``."""
        version = self.version.replace("9.0.", "9.00.", 1) if self.year == "2005" else self.version
        level = "" if self.level == "RTM" or self.year == "2005" else f" ({self.level})"
        years = "1988-2005 " if self.year == "2005" else ""
        return (
            f"Microsoft SQL Server {self.year}{level} - {version} (X64) \n"
            f"\tCopyright (c) {years}Microsoft Corporation\n"
            f"\t{edition} on {self.windows}\n"
        )


RELEASES = {
    release.year: release
    for release in (
        Release("2005", "9.0.5000.0", "SP4", 0x72090002, "Windows NT 5.2 (Build 3790: Service Pack 2)", 611),
        Release("2008", "10.0.6000.29", "SP4", 0x730B0003, "Windows NT 6.0 <X64> (Build 6002: Service Pack 2)", 655),
        Release(
            "2008 R2", "10.50.6000.34", "SP3", 0x730B0003, "Windows NT 6.1 <X64> (Build 7601: Service Pack 1)", 661
        ),
        Release("2012", "11.0.7001.0", "SP4", 0x74000004, "Windows NT 6.2 <X64> (Build 9200: )", 706),
        Release("2014", "12.0.6024.0", "SP3", 0x74000004, "Windows NT 6.3 <X64> (Build 9600: )", 782),
        Release(
            "2016", "13.0.6300.2", "SP3", 0x74000004, "Windows Server 2016 Standard 10.0 <X64> (Build 14393: )", 852
        ),
        Release(
            "2017", "14.0.1000.169", "RTM", 0x74000004, "Windows Server 2016 Standard 10.0 <X64> (Build 14393: )", 869
        ),
        Release(
            "2019", "15.0.2000.5", "RTM", 0x74000004, "Windows Server 2019 Standard 10.0 <X64> (Build 17763: )", 904
        ),
        Release(
            "2022", "16.0.1000.6", "RTM", 0x74000004, "Windows Server 2022 Standard 10.0 <X64> (Build 20348: )", 957
        ),
        Release(
            "2025", "17.0.1000.7", "RTM", 0x74000004, "Windows Server 2025 Standard 10.0 <X64> (Build 26100: )", 998
        ),
    )
}

ENGINE_EDITIONS = {"Standard": 2, "Enterprise": 3, "Developer": 3, "Evaluation": 3, "Express": 4, "Workgroup": 2}
"""SERVERPROPERTY('EngineEdition') by the first word of the edition's name (Microsoft's page of SERVERPROPERTY)."""


def engine_edition(edition: str) -> int:
    """The EngineEdition of an edition's name; KeyError for a name that no SQL Server has."""
    return ENGINE_EDITIONS[edition.split(maxsplit=1)[0]]
