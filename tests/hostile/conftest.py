"""How many attacks there were, said at the end."""

from __future__ import annotations

from typing import Any

from hostile.table import TABLE


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Of those that ran, and by family of all."""
    ran = {
        report.nodeid
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "::test_a_hostile_" in report.nodeid and report.when == "call"
    }
    if ran:
        families = ", ".join(f"{name} {len(rows)}" for name, rows in TABLE.items())
        terminalreporter.write_line(f"hostile: {len(ran)} of {sum(map(len, TABLE.values()))} ({families})")
