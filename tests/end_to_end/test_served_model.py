"""One request at a time: MLflow's server on loopback answers with the numbers of the nightly batch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from demand_home import HORIZON_DAYS, day, features_of

from models.demand.features import pair_features
from models.demand.question import Question
from models.demand.trees import PARAMETERS
from models.description import Model, Recipe
from models.rolling import Rolling
from pipelines.home import Home
from pipelines.registry import Registry, Trained
from pipelines.settings import Settings

DAYS, SKUS, ROWS = 90, 36, 1_000
RECIPE = Recipe("lightgbm", {**PARAMETERS, "rounds": 30, "horizon_days": HORIZON_DAYS}, 7)


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = features_of(rng.poisson(rng.gamma(2, 1, (SKUS, 1)) * np.ones((SKUS, DAYS))).astype(float))
    # A SKU without a category and one without a price are asked about too.
    frame.loc[frame["sku"] == "s000", ["category_1", "category_2", "brand"]] = None
    frame.loc[frame["sku"] == "s001", "unit_price"] = np.nan
    return frame


@pytest.fixture(scope="module")
def model() -> Model:
    question = Question(HORIZON_DAYS)
    with Rolling(question, question.read({"feat_sku_day": _frame()}), {"it": RECIPE}, threads=1) as rolling:
        return rolling.fit("it", day(DAYS), HORIZON_DAYS)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[str]:
    """Where a server of the registered model answers, started as the page on models says."""
    home = Home.create(tmp_path_factory.mktemp("served") / "home")
    settings = Settings.load(home=home.root)
    registry, example = Registry(settings, "demand"), Question(HORIZON_DAYS).example()
    version = registry.register(
        Trained(
            files=model.files(),
            documents={},
            tags={"model_version": model.version, "method": model.method, "as_of": str(day(DAYS))},
            parameters={},
            metrics={},
            input_example=example,
            output_example=model.predict(example),
            requirements=("mlflow",),
            matures_days=HORIZON_DAYS,
        )
    )
    registry.follow(registry.described(version), None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [Path(sys.executable).with_name("mlflow"), "models", "serve", "--model-uri", "models:/demand@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = home.root / "served.log"
    with log.open("w") as said:
        server = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
    try:
        yield _answering(server, f"http://127.0.0.1:{port}", log)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _answering(server: subprocess.Popen[bytes], address: str, log: Path) -> str:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(f"{address}/ping", timeout=5).ok:
                return address
        except requests.ConnectionError:
            time.sleep(0.5)
    pytest.fail(log.read_text())


def test_a_thousand_rows_are_answered_with_the_numbers_of_the_batch(address: str, model: Model) -> None:
    question = Question(HORIZON_DAYS)
    history = question.read({"feat_sku_day": _frame()})
    last = np.flatnonzero(history.day == history.day.max())
    origins, horizons = np.repeat(last, HORIZON_DAYS), np.tile(np.arange(1, HORIZON_DAYS + 1), len(last))
    features = pair_features(history, origins, horizons)[:ROWS]
    batch = question.score(model, history)[:ROWS]
    assert len(batch) == ROWS

    outputs = ["units_mean", "units_p10", "units_p50", "units_p90"]
    answers = [_asked(address, features.iloc[[number]]) for number in (0, 1, 500)]
    for number, answer in zip((0, 1, 500), answers, strict=True):
        assert answer[outputs].iloc[0].tolist() == batch[outputs].iloc[number].tolist()
    every = _asked(address, features)
    pd.testing.assert_frame_equal(every[outputs], batch[outputs].reset_index(drop=True), check_exact=True)


def _asked(address: str, features: pd.DataFrame) -> pd.DataFrame:
    # Every digit of a number, which pandas' own JSON does not write.
    data = features.astype(object).where(features.notna(), None).to_numpy(object).tolist()
    body = {"dataframe_split": {"columns": list(features.columns), "data": data}}
    answer = requests.post(f"{address}/invocations", json=body, timeout=60)
    assert answer.ok, answer.text
    return pd.DataFrame(answer.json()["predictions"])


def test_what_is_no_row_of_features_is_refused_in_words(address: str) -> None:
    answer = requests.post(
        f"{address}/invocations", json={"dataframe_split": {"columns": ["sku"], "data": [["a"]]}}, timeout=60
    )
    assert answer.status_code == 400
    assert "missing inputs" in answer.text
