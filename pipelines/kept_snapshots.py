"""Which feature snapshots stay: the newest builds', of the newest exports, and what the champions learned from."""

from __future__ import annotations

import json

from models.questions import NAMES
from pipelines import decisions, ledger
from pipelines.home import Home


def kept(home: Home, keep: int) -> set[str]:
    """The names of the snapshots of the newest `keep` builds and of all that is to be made again from one."""
    recent = [event["snapshot"] for event in ledger.events(home, "builds")]
    champions = (version for model in NAMES for version in decisions.champions_of(home, model)[:1])
    learned = {version.snapshot_hash for version in champions}
    return {*list(dict.fromkeys(reversed(recent)))[:keep], *learned, *_exported(home), *_built(home)}


def _exported(home: Home) -> set[str]:
    """Those that the nights which latest.json names were scored on."""
    found = set()
    for latest in home.exports.glob("*/v*/latest.json"):
        try:
            manifest = json.loads((latest.parent / json.loads(latest.read_bytes())["manifest"]).read_bytes())
            found.add(manifest["snapshot"])
        except (FileNotFoundError, ValueError, KeyError):
            continue  # Damaged; the next export, for which nothing older is needed, writes it anew.
    return found


def _built(home: Home) -> set[str]:
    """Those of the warehouses that lie there: the night that goes on with one reads its snapshot."""
    paths = [path for path in home.root.glob("warehouse*.json") if ".held" not in path.suffixes]
    return {json.loads(path.read_bytes())["snapshot"] for path in paths}
