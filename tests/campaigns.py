"""Which long forms have passed for the files as they are, so that an interrupted run of them goes on where it was."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

_KEY = "nightshift/campaigns"


class Passed:
    """A plugin that notes in pytest's cache each campaign that passed, under the hash of the project's files."""

    def __init__(self, config: pytest.Config) -> None:
        # There is none with -p no:cacheprovider.
        self._cache, self._files = getattr(config, "cache", None), _hash_of_files(config.rootpath)
        kept = self._cache.get(_KEY, {}) if self._cache and self._files else {}
        self.tests: set[str] = set(kept["tests"]) if kept.get("files") == self._files else set()
        self._called = ""

    def pytest_report_header(self) -> str:
        if not self._files:
            return "campaigns: without git it is not known which have passed for these files"
        return f"campaigns: {len(self.tests)} have passed for these files"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._called = report.nodeid if report.passed else ""
        elif report.when == "teardown" and report.passed and report.nodeid == self._called:
            self.tests.add(report.nodeid)
            if self._cache and self._files:
                self._cache.set(_KEY, {"files": self._files, "tests": sorted(self.tests)})

    def skip(self, items: list[pytest.Item]) -> None:
        """Leave out, with the reason, those that have passed."""
        reason = "it has passed for these files; pytest --campaigns runs it again"
        for item in items:
            if item.nodeid in self.tests:
                item.add_marker(pytest.mark.skip(reason=reason))


def _hash_of_files(root: Path) -> str:
    """Over name and content of every file that git would commit; empty where there is no git."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    whole = hashlib.sha256()
    for name in sorted(filter(None, listed.split(b"\0"))):
        path = root / name.decode(errors="surrogateescape")
        if path.is_file():
            whole.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
