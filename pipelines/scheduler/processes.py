"""Child processes that never outlive their parent: each leads a session, and the whole session is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import NightshiftError
from pipelines.home import process_identity, write_atomically

_GRACE_SECONDS = 4.0
_MOST_RESTARTS, _RESTART_SECONDS = 10, 600.0


@dataclass
class Children:
    """The programs started together, and a register of them for the next start, if this process is killed."""

    folder: Path
    environment: dict[str, str]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _programs: dict[str, tuple[Sequence[str], Mapping[str, str]]] = field(default_factory=dict)
    _restarts: list[float] = field(default_factory=list)

    @property
    def register(self) -> Path:
        return self.folder / "children.json"

    def log_file(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a program, with more in its environment than the others have."""
        self._programs[name] = (command, environment or {})
        with self.log_file(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self.environment, **(environment or {})},
                cwd=self.folder,
                start_new_session=True,
                umask=0o077,
            )
        leaders = [process_identity(child.pid) for child in self._running.values()]
        write_atomically(self.register, json.dumps(leaders).encode())

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a program to its end. Raises `NightshiftError` when it fails."""
        self.start(name, command)
        if self._running[name].wait() != 0:
            raise NightshiftError(f"{name} failed; see {self.log_file(name)}")
        del self._running[name]

    def check(self) -> None:
        """Raises `NightshiftError` when a child has ended by itself."""
        for name, child in self._running.items():
            if child.poll() is not None:
                raise NightshiftError(
                    f"{name} ended by itself with status {child.returncode}; see {self.log_file(name)}"
                )

    def restart_ended(self, log: Callable[[str], None]) -> None:
        """Start again what has ended by itself, once all that it left running has ended too.

        Raises `NightshiftError` when that happens too often to help.
        """
        for name, child in list(self._running.items()):
            if child.poll() is not None:
                now = time.monotonic()
                self._restarts = [at for at in self._restarts if now - at < _RESTART_SECONDS] + [now]
                if len(self._restarts) > _MOST_RESTARTS:
                    self.check()
                log(f"{name} ended by itself with status {child.returncode} and is started again")
                _end_sessions([child.pid])
                self.start(name, *self._programs[name])

    def stop(self) -> None:
        """End every child and all that it started: politely, and after a grace by force."""
        children = list(self._running.values())
        _end_sessions([child.pid for child in children])
        for child in children:
            child.wait()
        self._running.clear()
        self.register.unlink(missing_ok=True)

    def stop_left_behind(self) -> None:
        """End what a supervisor that was killed has left running."""
        with suppress(FileNotFoundError):
            leaders = json.loads(self.register.read_text())
            pids = [int(leader.split()[0]) for leader in leaders if leader]
            _end_sessions([pid for pid in pids if process_identity(pid) in leaders])
            self.register.unlink()


def _end_sessions(leaders: Sequence[int]) -> None:
    for leader in leaders:
        # Not the group: Airflow's programs pass the signal on, and hang when their helpers got it twice.
        with suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while members := _members(leaders):
        if time.monotonic() >= deadline:
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _members(sessions: Sequence[int]) -> list[int]:
    """Living processes of the sessions. Airflow gives a task a process group of its own, but no session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(entry.name)
            is_zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if os.getsid(pid) in sessions and not is_zombie:
                found.append(pid)
    return found
