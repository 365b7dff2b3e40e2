"""What the pages tell people to type exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipelines.cli import cli
from pipelines.feeds import FEEDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "examples" / "online_retail" / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def _shell_lines() -> Iterator[str]:
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
            yield from block.replace("\\\n", " ").splitlines()


COMMANDS = [line.split("#")[0] for line in _shell_lines() if line.startswith(".venv/bin/nightshift ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_pages_exists_with_its_options(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = cli.commands[name]
    if isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= options


def test_the_pages_show_commands_at_all() -> None:
    assert len(COMMANDS) >= 8


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", PAGES[0].read_text())) <= targets


def _every_command(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _every_command(command, f"{prefix}{name} ")


@pytest.mark.parametrize(("name", "command"), list(_every_command(cli)))
def test_every_command_teaches(name: str, command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("airflow_port", "mlflow_port"):
            assert parameter.help, f"{name} {parameter.opts[0]}"


def test_the_readme_names_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *groups["test"], *groups["examples"]]
    names = {re.split(r"[<>=]", requirement)[0] for requirement in wanted}
    table = PAGES[0].read_text().split("### Dependencies")[1].split("## Limits")[0]
    assert {name for name in names if name not in table} == set()


def test_the_command_knows_every_feed_of_the_contracts() -> None:
    (feeds,) = [parameter for parameter in cli.commands["ingest"].params if parameter.name == "feeds"]
    assert isinstance(feeds.type, click.Choice)
    assert tuple(feeds.type.choices) == tuple(FEEDS)
