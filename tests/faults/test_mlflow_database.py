"""MLflow's database is made whole, by two who open it at once and after one who was killed while making it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipelines.home import Home

OPENS = """
import sys
from pathlib import Path
from pipelines.registry import Registry
from pipelines.settings import Settings
print(Registry(Settings.load(home=Path(sys.argv[1])), "demand").find(training_key="none"))
"""


def _opening(home: Home) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPENS, str(home.root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_at_once_after_one_that_was_killed(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    for name in ("", "-journal"):
        (home.mlflow / f".mlflow.db.tmp{name}").write_bytes(b"half made")
    opening = [_opening(home) for _ in range(2)]
    said = [process.communicate() for process in opening]
    assert [process.returncode for process in opening] == [0, 0], said
    assert [out.strip() for out, _ in said] == ["None", "None"]
    assert sorted(path.name for path in home.mlflow.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
