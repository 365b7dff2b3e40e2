"""A fault that may pass by itself is told from one that does not: only the former is worth another attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import psycopg
import pytest
from planted_exports import PLAN, deliver
from psycopg import errors

from pipelines import export_delivery
from pipelines.errors import NightshiftError, UnavailableError
from pipelines.export_delivery import DeliveredInPartError, PlaceAwayError
from pipelines.fetch_s3 import _explained
from pipelines.home import Home
from pipelines.postgres_connection import connect, fault_of
from pipelines.settings import CONNECTION, Settings
from pipelines.sinks.places import places


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.AdminShutdown(), UnavailableError),
        (errors.TooManyConnections(), UnavailableError),
        (errors.ConnectionFailure(), UnavailableError),
        (errors.DeadlockDetected(), UnavailableError),
        (psycopg.OperationalError("the connection is lost"), UnavailableError),
        (psycopg.DataError("NUL in a text"), NightshiftError),
        (errors.UniqueViolation(), NightshiftError),
        (errors.InsufficientPrivilege(), NightshiftError),
        (errors.UndefinedTable(), NightshiftError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_what_a_database_says_passes_or_not(error: psycopg.Error, kind: type[Exception]) -> None:
    assert fault_of(error) is kind


def test_a_server_that_is_not_there_may_come_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{CONNECTION}SHOP", "postgresql://reader@127.0.0.1:9/shop")
    with pytest.raises(UnavailableError, match=r"feeds\.orders: connection shop: the server cannot be reached"):
        connect(settings, "shop", "feeds.orders", "feeds.orders.connection")


def test_an_object_store_that_is_not_there_may_come_back() -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError

    with pytest.raises(UnavailableError), _explained("orders", "s3://b/k"):
        raise EndpointConnectionError(endpoint_url="http://store")
    with pytest.raises(NightshiftError) as refused, _explained("orders", "s3://b/k"):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
    assert not isinstance(refused.value, UnavailableError)


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ([UnavailableError("down"), UnavailableError("down")], PlaceAwayError),
        ([UnavailableError("down"), NightshiftError("no such column")], DeliveredInPartError),
    ],
)
def test_a_delivery_may_be_tried_again_when_nothing_else_is_wrong(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, faults: list[NightshiftError], kind: type[Exception]
) -> None:
    from pipelines.sinks import postgres

    home, remaining = Home(settings.home), iter(faults)

    def fail(*arguments: object) -> None:
        raise next(remaining)

    monkeypatch.setattr(postgres, "apply", fail)
    chosen = settings.model_copy(update={"export_connection": "ops"})
    tables = [replace(PLAN, version=version) for version in (1, 2)]
    reports = [deliver(home, date(2025, 3, 1), [("a", 1, "1.00", None)], table=table) for table in tables]
    nights = [report.path.parent for report in reports]
    export_delivery.deliver(home, nights, places(home, chosen), lambda _: None)
    with pytest.raises(NightshiftError) as raised:
        export_delivery.refuse_undelivered(home, chosen)
    assert type(raised.value) is kind
    assert isinstance(raised.value, UnavailableError) == (kind is PlaceAwayError)


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.load(home=Home.create(tmp_path_factory.mktemp("home")).root)
