"""Secrets of remote sources: read from the environment, shown by nothing, kept from programs without use for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.settings import Settings

SECRETS = ("NIGHTSHIFT_CONNECTION_SHOP", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "NIGHTSHIFT_PII_KEY")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in SECRETS:
        monkeypatch.setenv(name, "hunter2" * 8)
    return Settings.load(home=tmp_path)


def test_a_connection_is_found_by_name_and_shown_by_nothing(settings: Settings) -> None:
    secret = settings.connection("shop")
    assert secret is not None
    assert secret.get_secret_value() == "hunter2" * 8
    assert settings.connection("other") is None
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {secret!r} {secret}"


def test_programs_that_take_in_nothing_get_no_secret(settings: Settings) -> None:
    assert [name for name in SECRETS if name in settings.child_environment({})] == list(SECRETS)
    without = settings.child_environment({}, has_key=False)
    assert [name for name, value in without.items() if "hunter2" in value] == []
    assert "PATH" in without


@pytest.mark.parametrize("endpoint", ["minio:9000", "ftp://minio", "http://key:hunter2@minio"])
def test_an_endpoint_is_a_plain_address(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_S3_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match="setting NIGHTSHIFT_S3_ENDPOINT") as caught:
        Settings.load(home=tmp_path)
    assert "hunter2" not in str(caught.value)
