"""What holds for all tests."""

from __future__ import annotations

import os

# Where GSSAPI is installed, "negotiate" asks the machine's own realm for a ticket first; the lab's accounts are none of its.
os.environ["KRB5_CONFIG"] = os.devnull
