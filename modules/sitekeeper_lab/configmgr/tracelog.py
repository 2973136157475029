"""Lines of a ConfigMgr log in the form that CMTrace reads."""

from __future__ import annotations

from datetime import datetime


def trace_line(text: str, component: str, moment: datetime, thread: int, kind: int = 1) -> str:
    """One line; the bias is minutes *west* of UTC with a sign, as in recorded logs (``-330``, ``+480``, ``-60``).

    None is recorded in UTC itself; there it is ``+000``, as programs write it that imitate the form.
    """
    offset = moment.utcoffset()
    west = -int(offset.total_seconds() // 60) if offset is not None else 0
    bias = f"{west:+d}" if west else "+000"
    return (
        f'<![LOG[{text}]LOG]!><time="{moment:%H:%M:%S}.{moment.microsecond // 1000:03}{bias}" '
        f'date="{moment:%m-%d-%Y}" component="{component}" context="" type="{kind}" thread="{thread}" '
        f'file="lab.cpp:{thread % 900}">\r\n'
    )
