"""A place that takes no night holds up neither the others nor the night; what it is owed is told until made good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from planted_exports import deliver, folder_of
from shop import Shop

from pipelines import export_delivery, ledger, nights, status
from pipelines.errors import NightshiftError
from pipelines.export_delivery import DeliveredInPartError
from pipelines.export_night import Night
from pipelines.home import Home
from pipelines.sinks import places
from pipelines.sinks.places import Erased

D1 = date(2025, 3, 1)
D2 = D1 + timedelta(days=1)
OWNER = "nightshift 1"


@dataclass
class _Place:
    """Takes nights, or refuses so many times first."""

    name: str
    refusals: int = 0
    held: list[date] = field(default_factory=list)

    def apply(self, night: Night, is_going_back: bool = False) -> str:
        if self.refusals:
            self.refusals -= 1
            raise NightshiftError("the server cannot be reached")
        self.held.append(night.as_of)
        return "applied"

    def erase(self) -> Erased:
        return Erased()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A home with the exports of two days."""
    shop = Shop(tmp_path / "home")
    shop.map(orders="{uri: 'orders/{ds}.csv', format: csv}")
    for day in (D1, D2):
        deliver(Home(shop.root), day, [("a", day.day, "1.00", None)])
    return shop


def _named(monkeypatch: pytest.MonkeyPatch, *named: _Place) -> list[places.Place]:
    """The settings name these places."""
    monkeypatch.setattr(export_delivery, "places", lambda home, settings: list(named))
    return list(named)


def _folder(shop: Shop, day: date) -> Path:
    return folder_of(Home(shop.root)) / f"as_of={day}"


TOLD = (
    "database ops has not got plan v1 as of 2025-03-01 (the server cannot be reached); the next night makes up for it, "
    "or: nightshift replay TABLE --as-of 2025-03-01 --database"
)


def test_one_place_that_fails_holds_up_no_other_and_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    home, said = Home(shop.root), list[str]()
    broken, fine = _Place("database ops", refusals=1), _Place("s3://bucket/x")
    to = _named(monkeypatch, broken, fine)
    (failed,) = export_delivery.deliver(home, [_folder(shop, D1)], to, said.append)
    assert (failed.place, failed.table, failed.as_of) == ("database ops", "plan", "2025-03-01")
    assert fine.held == [D1]
    assert said == [
        "database ops: plan v1 as of 2025-03-01: NOT delivered: the server cannot be reached",
        "s3://bucket/x: plan v1 as of 2025-03-01: applied",
    ]
    with pytest.raises(DeliveredInPartError) as caught:
        export_delivery.refuse_undelivered(home, shop.settings)
    assert str(caught.value) == f"delivered in part: {TOLD}"
    assert f"in part: {TOLD}" in status.report(shop.settings).splitlines()
    # The next night makes up for it.
    assert export_delivery.deliver(home, [_folder(shop, D2)], to, said.append) == []
    assert export_delivery.undelivered(home, shop.settings) == []
    assert "in part" not in status.report(shop.settings)


def test_what_a_store_did_not_take_is_replayed_to_its_uri(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    to = _named(monkeypatch, _Place("s3://bucket/x", refusals=1))
    export_delivery.deliver(Home(shop.root), [_folder(shop, D1)], to, print)
    with pytest.raises(DeliveredInPartError, match=r"replay TABLE --as-of 2025-03-01 --to s3://bucket/x$"):
        export_delivery.refuse_undelivered(Home(shop.root), shop.settings)


def test_a_place_that_no_setting_names_any_more_is_owed_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(shop.root)
    export_delivery.deliver(home, [_folder(shop, D1)], _named(monkeypatch, _Place("database ops", 1)), print)
    _named(monkeypatch)
    export_delivery.refuse_undelivered(home, shop.settings)


def _publish(shop: Shop, monkeypatch: pytest.MonkeyPatch, day: date) -> list[date]:
    """The last step of a night, of which only what concerns places is real; returns the days published."""
    done: list[date] = []
    monkeypatch.setattr(nights, "_publish_warehouse", lambda home, settings, as_of, *_: done.append(as_of))
    monkeypatch.setattr(nights.data_docs, "publish", lambda home, log: None)
    monkeypatch.setattr(nights.model_card, "publish", lambda home, model, log: None)
    nights.publish(shop.settings, day, OWNER, lambda line: None)
    return done


@pytest.mark.parametrize("refusals", [1, 2])
def test_publish_tries_once_more_and_ends_in_part_only_with_everything_published(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    home, place = Home(shop.root), _Place("database ops", refusals)
    export_delivery.deliver(home, [_folder(shop, D1)], _named(monkeypatch, place), print)
    if refusals == 1:
        assert _publish(shop, monkeypatch, D1) == [D1]
        assert place.held == [D1]
    else:
        with pytest.raises(DeliveredInPartError, match="database ops has not got plan v1 as of 2025-03-01"):
            _publish(shop, monkeypatch, D1)
    # The step itself is done: what was to be published is.
    assert [event["outcome"] for event in ledger.events(home, "attempts")] == ["done"]


def test_what_an_older_night_owes_does_not_fail_a_newer_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    export_delivery.deliver(Home(shop.root), [_folder(shop, D1)], _named(monkeypatch, _Place("database ops", 9)), print)
    assert _publish(shop, monkeypatch, D2) == [D2]
