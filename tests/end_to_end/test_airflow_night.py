"""The main job by real Airflow processes gives what the command line gives, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

from shop import DAYS, LAST_DAY, nightshift

from pipelines.home import Home


def _parquet(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_the_dags_under_a_real_scheduler_give_the_bytes_of_the_command_line(night_home: Path, tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    # run_id covers the inputs, hashed e-mail addresses among them: one key for both homes.
    shutil.copy(night_home / "pii.key", home.key_file)
    done = nightshift(home.root, "demo", "--scale", "0.02", "--days", str(DAYS))
    assert done.returncode == 0

    folder = Path("exports/demand_forecast/v1") / f"as_of={LAST_DAY}"
    ours = {path.name: path.read_bytes() for path in (home.root / folder).iterdir()}
    assert ours == {path.name: path.read_bytes() for path in (night_home / folder).iterdir()}

    for name in ("raw", "quarantine"):
        assert _parquet(home.root / name) == _parquet(night_home / name), f"what Airflow took in as {name}"

    for step in ("ingest orders", "train demand", "score", "export", "publish"):
        assert any(step in line and "done" in line for line in done.stderr.splitlines()), step
    assert f"{folder}/demand_forecast-" in done.stdout
    assert "look further" in done.stdout
    assert not (home.root / "night.json").exists(), "the night gave the home back"
    noise = [line for line in done.stderr.splitlines() if "INFO" in line or "WARNING" in line]
    assert noise == [], "Airflow's own log lines belong into files"
    assert list((home.airflow / "logs").glob("*.log")) != []
