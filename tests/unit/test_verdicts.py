"""One message a run: what failed, since when, why, what to type; to the log, by e-mail, to a webhook; no secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from email import message_from_string
from pathlib import Path

import pytest
from message_servers import mail_server, webhook

from pipelines import export_delivery, ledger, night_faults, notices, verdicts
from pipelines.cli import cli
from pipelines.errors import NightshiftError, UnavailableError, UsageError
from pipelines.export_delivery import Delivery
from pipelines.home import Home
from pipelines.settings import Settings

DAY = date(2025, 3, 1)
RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
GOOD = dict.fromkeys(("wait", "build", "score demand", "score returns", "tables", "publish"), "success")
ONE_MODEL_FAILED = GOOD | {"score returns": "failed", "export return_risk": "skipped", "verdict": "running"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings.load(home=home.root)


def run_of(day: date = DAY, attempt: int = 1) -> verdicts.Run:
    return verdicts.Run("nightly", f"manual__{day}_{attempt}", day, f"airflow nightly manual__{day}_{attempt}")


def failed(home: Home, run: verdicts.Run, step: str, reason: str, kind: str = "NightshiftError") -> None:
    event = {"step": step, "as_of": str(run.as_of), "owner": run.owner, "error": reason, "error_kind": kind}
    ledger.append(home, "attempts", event)


def close(settings: Settings, run: verdicts.Run, states: dict[str, str], *late: str) -> tuple[verdicts.Verdict, str]:
    said: list[str] = []
    verdict = verdicts.close(settings, run, states, late, said.append)
    return verdict, "\n".join(said)


def test_a_night_that_is_right_is_recorded_and_told_nobody(home: Home, settings: Settings) -> None:
    verdict, said = close(settings, run_of(), GOOD)
    assert (verdict.outcome, said) == ("complete", f"nightly of {DAY}: complete")
    (event,) = ledger.events(home, "verdicts")
    assert (event["outcome"], event["troubles"], event["as_of"]) == ("complete", {}, str(DAY))


def test_a_night_without_one_model_is_partial_and_says_what_to_do(home: Home, settings: Settings) -> None:
    failed(home, run_of(), "score returns", "check predictions_returns: a probability is 7", "CheckFailedError")
    verdict, said = close(settings, run_of(), ONE_MODEL_FAILED)
    assert verdict.outcome == "partial"
    where = f"--home {settings.home}"
    assert said.splitlines() == [
        f"nightly of {DAY}: partial, score returns",
        "",
        "failed   score returns: check predictions_returns: a probability is 7",
        "left out export return_risk",
        "likely   a delivery or a forecast that looks unlike those before it (docs/runbook.md, check)",
        f"look     nightshift status {where}",
        f"resume   nightshift run --as-of {DAY} {where}",
        f"         or clear what failed, with all that follows, in Airflow: nightly, manual__{DAY}_1",
    ]


def test_a_failure_of_several_nights_says_since_when(home: Home, settings: Settings) -> None:
    """Nights -4 and -1 to 0 fail, -3 and -2 do not: it has failed since yesterday."""
    for back in (4, 1, 0):
        run = run_of(DAY - timedelta(days=back))
        failed(home, run, "score returns", "a snapshot is damaged")
    for back in (4, 3, 2, 1):
        states = GOOD if back in (3, 2) else ONE_MODEL_FAILED
        close(settings, run_of(DAY - timedelta(days=back)), states)
    _, said = close(settings, run_of(), ONE_MODEL_FAILED)
    assert f"failed   score returns: a snapshot is damaged (since {DAY - timedelta(days=1)}, 2 days)" in said


def test_without_an_export_the_night_has_failed(home: Home, settings: Settings) -> None:
    failed(home, run_of(), "build", "dbt build failed: fct_orders (no such column)", "PartlyFailedError")
    states = {"wait": "success", "build": "failed", "score demand": "upstream_failed", "publish": "skipped"}
    verdict, said = close(settings, run_of(), states)
    assert verdict.outcome == "failed"
    assert "left out publish, score demand" in said
    assert "docs/runbook.md, dbt" in said


def test_a_task_that_left_no_word_was_killed(settings: Settings) -> None:
    _, said = close(settings, run_of(), {"build": "failed"})
    assert "failed   build: it ended without a word" in said
    assert "the process was killed: out of memory, or the machine restarted (docs/runbook.md, killed)" in said


def test_late_feeds_alone_make_it_partial_and_say_how_to_take_them_in(settings: Settings) -> None:
    verdict, said = close(settings, run_of(), GOOD, "events", "returns")
    assert (verdict.outcome, verdict.troubles) == ("partial", ())
    assert "late     events, returns: the night went on without, its exports say so" in said
    assert f"resume   nightshift ingest events returns --from {DAY} --to {DAY} --home {settings.home}" in said
    assert f"resume   nightshift run --as-of {DAY} --home {settings.home}" in said


def test_the_reason_of_an_export_whose_table_failed_is_dbts(home: Home, settings: Settings) -> None:
    failed(home, run_of(), "tables", "dbt build failed: unique_exp_return_risk (Got 2 results)", "PartlyFailedError")
    _, said = close(settings, run_of(), GOOD | {"export return_risk": "failed"})
    assert "failed   export return_risk: dbt build failed: unique_exp_return_risk (Got 2 results)" in said


def test_a_table_beside_the_exports_that_failed_is_named(home: Home, settings: Settings) -> None:
    failed(home, run_of(), "tables", "dbt build failed: unique_model_decisions (Got 1 result)", "PartlyFailedError")
    verdict, said = close(settings, run_of(), GOOD | {"table model_decisions": "failed"})
    assert verdict.outcome == "partial"
    assert "failed   table model_decisions: dbt build failed: unique_model_decisions (Got 1 result)" in said


@pytest.mark.parametrize(
    ("reason", "fault"),
    [("the server cannot be reached", "unreachable"), ("permission denied for schema ops", "undelivered")],
)
def test_a_night_whose_exports_a_place_has_not_got_is_partial_and_names_the_place(
    home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch, reason: str, fault: str
) -> None:
    """Everything is published; the task failed for the sake of the place, which leaves the step itself done."""
    owing = Delivery("database ops", "replenishment", 1, str(DAY), "0" * 64, reason)
    monkeypatch.setattr(export_delivery, "undelivered", lambda home, settings: [owing])
    published = {"step": "publish", "as_of": str(DAY), "owner": run_of().owner, "outcome": "done", "error": ""}
    ledger.append(home, "attempts", published)
    verdict, said = close(settings, run_of(), GOOD | {"publish": "failed"})
    assert verdict.outcome == "partial"
    assert f"failed   publish: database ops has not got replenishment v1 as of {DAY} ({reason})" in said
    assert f"(docs/runbook.md, {fault})" in said


@pytest.fixture
def told_by(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[..., Settings]:
    def with_addresses(mail: str = "", hook: str = "") -> Settings:
        addresses = {"mail": mail, "webhook": hook}
        for name, address in addresses.items():
            monkeypatch.setenv(f"NIGHTSHIFT_CONNECTION_{name.upper()}", address)
        named = {f"{name}_connection": name for name, address in addresses.items() if address}
        return settings.model_copy(update=named | {"mail_to": "oncall@example.com, lead@example.com"})

    return with_addresses


def test_one_message_goes_to_each_place_once(home: Home, told_by: Callable[..., Settings]) -> None:
    failed(home, run_of(), "score returns", "a snapshot is damaged")
    with mail_server() as mail, webhook() as hook:
        settings = told_by(f"smtp+plain://night:wOrD-1234@{mail.address}", f"http://{hook.address}/services/T0/s3cr3t")
        _, said = close(settings, run_of(), ONE_MODEL_FAILED)
        _, again = close(settings, run_of(), ONE_MODEL_FAILED)
    assert again == f"nightly of {DAY}: partial, score returns (told already)"
    (raw,), (posted,) = mail.messages, hook.messages
    message = message_from_string(raw)
    assert message["Subject"] == f"nightly of {DAY}: partial, score returns"
    assert message["To"] == "oncall@example.com, lead@example.com"
    assert message.get_payload(decode=True).decode().split() == posted.split()
    assert "failed   score returns: a snapshot is damaged" in posted
    assert hook.commands == ["/services/T0/s3cr3t"]
    assert [line for line in said.splitlines() if line.startswith("told by")] == ["told by mail", "told by webhook"]
    assert "s3cr3t" not in said + posted
    assert "wOrD-1234" not in said + posted


def test_another_failure_of_the_same_run_is_told_again(home: Home, told_by: Callable[..., Settings]) -> None:
    with webhook() as hook:
        settings = told_by(hook=f"http://{hook.address}/")
        close(settings, run_of(), {"build": "failed"})
        close(settings, run_of(), GOOD | {"publish": "failed"})
        close(settings, run_of(), GOOD)
    assert [message.splitlines()[0] for message in hook.messages] == [
        f"nightly of {DAY}: failed, build",
        f"nightly of {DAY}: failed, publish",
    ]


def test_a_place_that_does_not_take_it_keeps_it_from_no_other_and_is_tried_again(
    home: Home, told_by: Callable[..., Settings]
) -> None:
    with mail_server() as mail, webhook(status=503) as hook:
        settings = told_by(f"smtp+plain://{mail.address}", f"http://{hook.address}/services/s3cr3t")
        with pytest.raises(UnavailableError, match=r"^webhook did not take the message \(HTTPError\)$"):
            close(settings, run_of(), {"build": "failed"})
    assert len(mail.messages) == len(hook.messages) == 1
    assert list(ledger.events(home, "verdicts")) == [], "not told, so the next attempt tells it"


def test_a_password_is_never_sent_without_tls_unless_that_was_asked_for(told_by: Callable[..., Settings]) -> None:
    with mail_server() as mail, pytest.raises(UnavailableError, match="SMTPNotSupportedError"):
        notices.send(told_by(f"smtp://night:wOrD-1234@{mail.address}"), notices.Notice("x", ()), lambda _: None)
    assert [command.split()[0].upper() for command in mail.commands] == ["EHLO", "QUIT"]
    assert mail.messages == []


@pytest.mark.parametrize(
    ("mail", "hook", "message"),
    [("mail.example.com", "", "no address such as smtp://"), ("", "ftp://x", "no address such as https://")],
)
def test_an_address_that_is_none_is_named(told_by: Callable[..., Settings], mail: str, hook: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        notices.send(told_by(mail, hook), notices.Notice("x", ()), lambda _: None)


def test_what_a_message_quotes_is_one_line_without_secrets(
    told_by: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_CONNECTION_SHOP", "postgresql://reader:p%40ss-word@db/shop")
    monkeypatch.setenv("NIGHTSHIFT_PII_KEY", "ab" * 32)
    said: list[str] = []
    quoted = f"cannot reach postgresql://reader:p%40ss-word@db/shop, p@ss-word, {'ab' * 32}, https://u:other@h\x1b[2J"
    notices.send(told_by(), notices.Notice("night", (quoted,)), said.append)
    assert said[-1] == r"cannot reach ***, ***, ***, https://***@h\x1b[2J"


SAID = {
    "late": ("NightshiftError", "2025-03-01: no feed was delivered (orders); ingest them"),
    "held": ("HomeBusyError", "/home is held by airflow nightly x since 2025"),
    "full": ("NightshiftError", "no space left for /data; free some and run again"),
    "unreachable": ("UnavailableError", "feeds.orders: s3://b/k: the store cannot be reached or breaks off"),
    "refused": ("NightshiftError", "orders 2025-03-01: 30 of 100 rows refused, over the limit of 1.0%"),
    "check": ("CheckFailedError", "orders 2025-03-01: rows 3, usually 100"),
    "damaged": ("NightshiftError", "orders.csv.gz: damaged archive (CRC); ask for it to be delivered again"),
    "contract": ("NightshiftError", "export t v1: column x is gone. A reader of v1 relies on it: raise the version"),
    "undelivered": ("DeliveredInPartError", "database ops has not got plan v1 as of 2025-03-01 (permission denied)"),
    "dbt": ("PartlyFailedError", "dbt build failed: fct_orders (Binder Error)"),
    "setting": ("UsageError", "setting NIGHTSHIFT_THREADS: input should be a valid integer"),
    "killed": ("Killed", "it ended without a word"),
    "surprise": ("KeyError", "'x'"),
}


@pytest.mark.parametrize("fault", [*night_faults.FAULTS, night_faults.SURPRISE], ids=lambda fault: fault.name)
def test_every_fault_is_told_apart_is_in_the_runbook_and_has_a_command(fault: night_faults.Fault) -> None:
    assert night_faults.of(*SAID[fault.name]) == fault
    assert re.search(rf"^## .*\b{fault.name}\b", RUNBOOK.read_text(), re.MULTILINE)
    assert fault.look.split()[0] in cli.commands


def test_an_error_of_ours_is_no_surprise() -> None:
    assert night_faults.of(NightshiftError.__name__, "something else").name == "surprise"
