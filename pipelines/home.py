"""The data home: one folder that holds all state, its version, and the lock that makes one night own it."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.errors import HomeBusyError, NightshiftError

HOME_VERSION = 1
_FOLDERS = (
    "landing",
    "raw",
    "quarantine",
    "ledger",
    "decisions",
    "snapshots",
    "backtests",
    "predictions",
    "published",
    "exports",
    "mlflow",
    "airflow",
)
_POLL_SECONDS = 0.2


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that a reader, or a crash, sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
        move_durably(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def move_durably(beside: Path, path: Path) -> None:
    """Flush a finished file to disk and rename it over `path`; its folder's entry is flushed too."""
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True)
class Home:
    """Where everything lies. `Home.open` refuses a folder that is no home or was made by a newer version."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Home:
        """Make the folders, the version file and the key of the personal-data hash; keep what is there."""
        os.umask(0o077)
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = cls(root)
        for name in _FOLDERS:
            (root / name).mkdir(exist_ok=True, mode=0o700)
        if not home.key_file.exists():
            write_atomically(home.key_file, secrets.token_hex(32).encode())
        if not home.version_file.exists():
            write_atomically(home.version_file, json.dumps({"version": HOME_VERSION}).encode())
        return cls.open(root)

    @classmethod
    def open(cls, root: Path) -> Home:
        os.umask(0o077)
        home = cls(root)
        if not home.version_file.exists():
            raise NightshiftError(f"{root} is no data home yet; make one with: nightshift init --home {root}")
        try:
            version = int(json.loads(home.version_file.read_bytes())["version"])
        except (ValueError, KeyError, TypeError):
            raise NightshiftError(f"{home.version_file} is damaged; restore it from a back-up of the home") from None
        if version > HOME_VERSION:
            raise NightshiftError(
                f"{root} has version {version}, this Nightshift knows up to {HOME_VERSION}; "
                "use the newer Nightshift that made it"
            )
        return home

    @property
    def version_file(self) -> Path:
        return self.root / "home.json"

    @property
    def key_file(self) -> Path:
        return self.root / "pii.key"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def suppressed(self) -> Path:
        return self.root / "suppressed"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def checks(self) -> Path:
        return self.root / "checks"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def backtests(self) -> Path:
        return self.root / "backtests"

    @property
    def predictions(self) -> Path:
        return self.root / "predictions"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @contextmanager
    def held(self, owner: str, lease_minutes: float, wait_seconds: float) -> Iterator[None]:
        """Run one step of `owner`'s night; the night keeps the home afterwards, until `release`.

        Two locks make this hold across processes: a file lock while a step runs (the system drops it when the
        process dies), and a lease that names the night between its steps. A lease whose process is dead, or
        which no step has renewed for `lease_minutes`, is taken over. Raises `HomeBusyError` naming the
        holder when the home is not free within `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            lock = FileLock(self.root / ".night.lock", mode=0o600)
            try:
                lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
            except Timeout:
                raise self._busy(owner) from None
            if self._lease_holder(lease_minutes) in (None, owner):
                break
            lock.release()
            if time.monotonic() >= deadline:
                raise self._busy(owner)
            time.sleep(_POLL_SECONDS)
        try:
            self._write_lease(owner)
            yield
            self._write_lease(owner)
        finally:
            lock.release()

    def release(self, owner: str) -> bool:
        """End `owner`'s hold on the home, and say whether it had one; another night's hold stays as it is."""
        if self._read_lease().get("owner") != owner:
            return False
        with FileLock(self.root / ".night.lock", mode=0o600):
            self._lease_file.unlink(missing_ok=True)
        return True

    @property
    def _lease_file(self) -> Path:
        return self.root / "night.json"

    def _busy(self, owner: str) -> HomeBusyError:
        lease = self._read_lease()
        holder = lease.get("owner", "another step")
        return HomeBusyError(
            f"{self.root} is held by {holder} since {lease.get('since', 'just now')}; "
            f"{owner} can start when that night has ended"
        )

    def _read_lease(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._lease_file.read_text()))
        except FileNotFoundError:
            return {}

    def _lease_holder(self, lease_minutes: float) -> str | None:
        lease = self._read_lease()
        if not lease:
            return None
        age = datetime.now(UTC) - datetime.fromisoformat(lease["renewed_at"])
        is_dead = lease["process"] != "" and lease["process"] != process_identity(int(lease["process"].split()[0]))
        return None if is_dead or age > timedelta(minutes=lease_minutes) else lease["owner"]

    def _write_lease(self, owner: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lease = self._read_lease()
        since = lease["since"] if lease.get("owner") == owner else now
        process = process_identity(os.getpid()) if owner.startswith(f"{COMMAND_OWNER} ") else ""
        content = {"owner": owner, "since": since, "renewed_at": now, "process": process}
        write_atomically(self._lease_file, json.dumps(content).encode())


COMMAND_OWNER = "nightshift"


def process_identity(pid: int) -> str:
    """`"<pid> <start time in clock ticks>"` of a living process, else `""`; a reused pid has another start."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return f"{pid} {fields[19]}"
