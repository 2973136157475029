"""A command of ours in a process that may read no more than its files' modes allow, though tests may run as root."""

from __future__ import annotations

import ctypes
import subprocess
import sys

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def _drop() -> None:
    """Root gets back at exec only what is left in this set (capabilities(7)); whoever is not root may not, and need not."""
    library = ctypes.CDLL(None)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def unprivileged(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sitekeeper.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=_drop)
