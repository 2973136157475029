"""What holds for all tests."""

from __future__ import annotations

import os

import pytest

# Where GSSAPI is installed, "negotiate" asks the machine's own realm for a ticket first; the lab's accounts are none of its.
os.environ["KRB5_CONFIG"] = os.devnull


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a test was skipped for want of something that the gate has installed itself: SITEKEEPER_INSTALLED names it."""
    installed = [word for word in os.environ.get("SITEKEEPER_INSTALLED", "").split(",") if word]
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not installed or reporter is None:
        return
    reasons = [str(one.longrepr) for one in reporter.stats.get("skipped", [])]
    wrong = [reason for reason in reasons if any(word.lower() in reason.lower() for word in installed)]
    for reason in wrong:
        reporter.write_line(f"skipped, although the gate installed it: {reason}", red=True)
    if wrong and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
