"""A person decides: this version is champion from now on, also one that was champion before."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import replace

from pipelines import decisions, model_files
from pipelines.decisions import PROMOTION, Decision, Version
from pipelines.errors import NightshiftError, UsageError
from pipelines.home import Home
from pipelines.model_card import is_document
from pipelines.model_inputs import matures_days
from pipelines.settings import Settings

Log = Callable[[str], None]


def promote(settings: Settings, model: str, number: str, because: str, log: Log) -> Version:
    """Make a registered version champion, whatever the gate said of it; it has to be whole and loadable.

    `number` is the registered version or the beginning of a `model_version`. Going back to an earlier champion
    strikes out those after it, also as fallbacks. Nothing is decided when it is champion already. Raises `UsageError`
    when there is no such version.
    """
    from models.questions import description
    from pipelines.registry import Registry

    if not because.strip():
        raise UsageError("--because is empty; say why, for those who will ask")
    home, registry = Home.open(settings.home), Registry(settings, model)
    found = registry.numbered(number)
    if found is None:
        raise UsageError(f"no version of {model} is called {number}; look at them with: nightshift up")
    version = registry.described(found)
    if not version.as_of or not version.model_version:
        raise NightshiftError(f"{version.name} was not registered by Nightshift: it does not say what it has seen")
    matures = matures_days(settings, description(model))
    if not version.sha256:
        version = _proven_apart(home, version, matures, log)
        registry.tag_files(version)
    files = model_files.proven(home.root / version.folder, version.sha256)
    model_files.load(model, matures, files, version.model_version)
    with decisions.deciding(home):
        champions = decisions.champions_of(home, model)
        is_champion = bool(champions) and champions[0].registered_version == version.registered_version
        if not is_champion:
            decisions.decide(home, Decision(PROMOTION, _person(), version, because.strip(), registry.figures(version)))
        # Also where it is champion already: an earlier promotion may have been killed before MLflow followed.
        promoted = [event for event in decisions.events(home, model) if event["kind"] == PROMOTION]
        registry.follow(version, promoted[-1])
    log(f"{model}: {version.name} is champion{' already; nothing was decided' if is_champion else ''}")
    return version


def _proven_apart(home: Home, version: Version, matures: int, log: Log) -> Version:
    """A version of which no SHA-256 is on record, with those of its files, once a process apart could load them."""
    folder = home.root / version.folder
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if not is_document(path.name)}
    log(f"{version.model}: {version.name} has no SHA-256 on record; loading it in a process of its own")
    if model_files.probe(version.model, matures, files) != version.model_version:
        raise NightshiftError(f"{version.name}: its files in {folder} are those of another model")
    return replace(version, sha256=model_files.digests(files))


def _person() -> str:
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
