"""Seconds, rows per second and memory of simulating stores of growing size."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from shop import NIGHTSHIFT

# Scale and days; the last would take a quarter of an hour with all its days.
SIZES = ((0.1, 540), (1, 540), (10, 60))


@pytest.mark.campaign
def test_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for scale, days in SIZES:
        home = tmp_path / f"scale_{scale}"
        command = [NIGHTSHIFT, "simulate", "--home", home, "--scale", str(scale), "--days", str(days)]
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        assert running.returncode == 0
        rows = sum(json.loads((home / "truth" / "simulated.json").read_text())["rows"].values())
        with capsys.disabled():
            print(
                f"\nscale {scale}, {days} days: {rows:,} rows in {seconds:.0f} s ({rows / seconds:,.0f} a second), "
                f"{used.ru_utime + used.ru_stime:.0f} CPU s, at most {used.ru_maxrss / 1e6:.1f} GB"
            )
        assert rows > 0
