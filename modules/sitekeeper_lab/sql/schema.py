"""Column types: the T-SQL name is kept as sqlite's declared type, so that a data file tells its own types."""

from __future__ import annotations


def create_table(name: str, columns: dict[str, str], schema: str = "main") -> str:
    """CREATE TABLE for sqlite with the T-SQL types as declared types.

    Text compares without case, as the CI collations do.
    """
    parts = []
    for column, kind in columns.items():
        if kind.endswith(" identity"):
            parts.append(f"[{column}] INTEGER PRIMARY KEY AUTOINCREMENT")
        elif "char" in kind or kind == "sysname":
            parts.append(f"[{column}] [{kind}] COLLATE NOCASE")
        else:
            parts.append(f"[{column}] [{kind}]")
    return f"CREATE TABLE {schema}.[{name}] ({', '.join(parts)})"
