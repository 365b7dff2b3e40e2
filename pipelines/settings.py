"""Every setting of Nightshift, and the only place that reads the environment.

A setting is an environment variable `NIGHTSHIFT_<NAME>`; a command's options win over it.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.errors import UsageError
from pipelines.ordering import Ordering
from pipelines.recovery import CartRecovery

PREFIX = "NIGHTSHIFT_"
CONNECTION = f"{PREFIX}CONNECTION_"
# What a program that takes in no deliveries has no use for.
_SECRETS = (f"{PREFIX}PII_KEY", CONNECTION, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# A shorter one would mask words.
_SHORTEST_SECRET = 4
# Told to dbt and to the tests, which read them themselves, or named after a connection.
_NO_SETTINGS = re.compile("WAREHOUSE$|TEST_|CONNECTION_")


class Settings(BaseSettings):
    """What a night may be told. Frozen: a run sees one set of settings from its start to its end."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: Annotated[Path, Field(validate_default=True, description="the folder that holds all state")] = Path("var")
    sources: Annotated[Path | None, Field(description="how the store's files map to the feeds")] = None
    landing: Annotated[Path | None, Field(description="where relative uris are looked up")] = None
    pii_key: Annotated[
        SecretStr | None,
        Field(description="secrets of the personal-data hash, 64 hex digits each, in order; default: the key file"),
    ] = None
    horizon_days: Annotated[int, Field(ge=1, le=90, description="days ahead that demand is forecast")] = 28
    return_window_days: Annotated[int, Field(ge=1, description="days after an order in which a return counts")] = 45
    cart_horizon_days: Annotated[
        int, Field(ge=1, le=60, description="days after a decision on a cart in which buying it counts")
    ] = 7
    orphan_days: Annotated[
        int, Field(ge=0, description="days that a row may wait for what it refers to, as a line for its order")
    ] = 3
    quarantine_max_share: Annotated[
        float, Field(ge=0, le=1, description="a load fails when a larger share of its rows is refused ...")
    ] = 0.01
    quarantine_max_rows: Annotated[int, Field(ge=0, description="... and more rows than this")] = 20
    keep_snapshots: Annotated[int, Field(ge=1, description="feature snapshots kept, newest first")] = 5
    keep_published: Annotated[int, Field(ge=1, description="days whose published warehouse is kept, newest first")] = 3
    keep_exports: Annotated[
        int, Field(ge=1, description="nights of exports and predictions that nightshift prune keeps, newest first")
    ] = 92
    keep_models: Annotated[
        int, Field(ge=1, description="champions, and versions that are none, whose files nightshift prune keeps")
    ] = 5
    keep_log_days: Annotated[int, Field(ge=1, description="days for which nightshift prune keeps logs")] = 30
    min_free_mb: Annotated[
        float, Field(ge=0, description="megabytes that have to be free on the home's disk beside what a night writes")
    ] = 500
    publish_customers: Annotated[
        bool, Field(description="whether rows and ids of single customers and visitors are published")
    ] = True
    export_csv: Annotated[bool, Field(description="whether exports are written as CSV too, beside Parquet")] = False
    export_connection: Annotated[
        str | None, Field(pattern=r"^\w+$", description="the connection of the PostgreSQL that exports go to as well")
    ] = None
    export_schema: Annotated[
        str, Field(pattern=r"^\w{1,63}$", description="the schema there that holds their tables")
    ] = "nightshift"
    export_uri: Annotated[
        str | None,
        Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[^/?#*]+)*$", description="where in an S3 store exports go as well"),
    ] = None
    airflow_connection: Annotated[
        str | None,
        Field(pattern=r"^\w+$", description="the connection of the PostgreSQL that Airflow keeps its state in"),
    ] = None
    mlflow_connection: Annotated[
        str | None,
        Field(pattern=r"^\w+$", description="the connection of the PostgreSQL that MLflow keeps its runs in"),
    ] = None
    mail_connection: Annotated[
        str | None,
        Field(pattern=r"^\w+$", description="the connection of the mail server that takes the night's message"),
    ] = None
    mail_to: Annotated[str, Field(description="who gets it, addresses separated by commas")] = ""
    mail_from: Annotated[str, Field(description="whom it is from")] = "nightshift@localhost"
    webhook_connection: Annotated[
        str | None, Field(pattern=r"^\w+$", description="the connection of the webhook that takes it, as Slack's do")
    ] = None
    lease_minutes: Annotated[
        float, Field(gt=0, description="a night that has not stirred for this long loses the home")
    ] = 30
    lock_wait_seconds: Annotated[float, Field(ge=0, description="how long a step waits for the home's lock")] = 600
    s3_endpoint: Annotated[
        str | None, Field(pattern="^https?://[^@]+$", description="a store other than AWS that speaks its S3 protocol")
    ] = None
    sql_overlap_minutes: Annotated[
        float, Field(ge=0, description="how much later than its updated_at a row of a SQL source may be committed")
    ] = 10
    threads: Annotated[int, Field(ge=1, description="threads of DuckDB, dbt and LightGBM")] = 2
    memory_limit: Annotated[str, Field(description="DuckDB's memory limit")] = "2500MB"
    seed: Annotated[int, Field(description="seed of training")] = 7
    ordering: Annotated[Ordering, Field(description="what orders weigh, as JSON; pipelines/ordering.py")] = Ordering()
    cart_recovery: Annotated[
        CartRecovery, Field(description="how abandoned carts are gone after, as JSON; pipelines/recovery.py")
    ] = CartRecovery()

    @field_validator("home", "sources", "landing")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @property
    def sources_file(self) -> Path:
        return self.sources or self.home / "sources.yml"

    @property
    def landing_folder(self) -> Path:
        return self.landing or self.home / "landing"

    @property
    def mlflow_tracking_uri(self) -> str:
        """Where MLflow keeps its runs: a file of the home, or a database, whose address holds a password."""
        if self.mlflow_connection:
            return self.database_uri("mlflow_connection")
        return f"sqlite:///{self.home}/mlflow/mlflow.db"

    @property
    def mlflow_shown(self) -> str:
        """The same for a person to paste, without a secret."""
        if self.mlflow_connection:
            return f"${CONNECTION}{self.mlflow_connection.upper()}"
        return self.mlflow_tracking_uri

    def database_uri(self, setting: str) -> str:
        """The address of the PostgreSQL database that a setting names, as SQLAlchemy wants it."""
        name = str(getattr(self, setting))
        secret = self.connection(name)
        scheme, is_address, rest = secret.get_secret_value().partition("://") if secret else ("", "", "")
        if not is_address or scheme not in ("postgresql", "postgres"):
            raise UsageError(
                f"setting {PREFIX}{setting.upper()}: set {CONNECTION}{name.upper()} to an address such as "
                "postgresql://user:password@host/database"
            )
        return f"postgresql+psycopg://{rest}"

    def connection(self, name: str) -> SecretStr | None:
        """The connection string of a SQL source, `NIGHTSHIFT_CONNECTION_<NAME>`; it is kept in no field."""
        text = os.environ.get(f"{CONNECTION}{name.upper()}")
        return SecretStr(text) if text else None

    def secrets(self) -> list[str]:
        """Every text of the environment and of these settings that no log may show, the longest first.

        Of a connection string both the whole and its password, as it is written and decoded.
        """
        texts = [value for name, value in os.environ.items() if name.startswith(_SECRETS) and value]
        if self.pii_key:
            texts += self.pii_key.get_secret_value().replace(",", " ").split()
        for text in list(texts):
            found = re.match(r"\w+://[^/?#@]*:([^/?#]*)@", text) or re.search(r"password\s*=\s*'?([^\s']+)", text)
            texts += [found[1], unquote(found[1])] if found else []
        return sorted({text for text in texts if len(text) >= _SHORTEST_SECRET}, key=lambda text: (-len(text), text))

    @classmethod
    def load(cls, home: Path | None = None, sources: Path | None = None, landing: Path | None = None) -> Settings:
        """The environment's settings under a command's options; a bad one raises a `UsageError` naming it."""
        _refuse_unknown_settings()
        given = {"home": home, "sources": sources, "landing": landing}
        try:
            return cls.model_validate(cls().model_dump() | {name: path for name, path in given.items() if path})
        except ValidationError as error:
            first = error.errors()[0]
            name = f"{PREFIX}{first['loc'][0]}".upper()
            # An address may carry a password.
            shown = "" if "@" in str(first["input"]) else f"; it is {first['input']!r}"
            raise UsageError(f"setting {name}: {first['msg'].lower()}{shown}") from None

    def child_environment(self, extra: dict[str, str], has_key: bool = True) -> dict[str, str]:
        """The environment for a program we start: this one, these settings' paths, and `extra`.

        A program that takes in no deliveries gets it without the key and the credentials (`has_key` false).
        """
        paths = {"HOME": self.home, "SOURCES": self.sources, "LANDING": self.landing}
        ours = {f"{PREFIX}{name}": str(path) for name, path in paths.items() if path is not None}
        inherited = {name: value for name, value in os.environ.items() if has_key or not name.startswith(_SECRETS)}
        return {**inherited, **ours, **extra}


def _refuse_unknown_settings() -> None:
    """A mistyped name would leave the setting at its default without a word."""
    known = [f"{PREFIX}{name}".upper() for name in Settings.model_fields]
    for variable in sorted(os.environ):
        name = variable.upper()
        if not name.startswith(PREFIX) or name in known or _NO_SETTINGS.match(name.removeprefix(PREFIX)):
            continue
        nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise UsageError(f"setting {variable}: there is none of this name; the nearest is {nearest}")
