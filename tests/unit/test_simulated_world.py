"""The default world is frozen: its page tells every parameter, and its bytes stay what they are."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import fields
from pathlib import Path

from pipelines.simulate import simulate
from pipelines.simulate.arguments import Arguments
from pipelines.simulate.parameters import WORLD, Parameters

PAGE = Path(__file__).parents[2] / "docs" / "simulated_store.md"
# SHA-256 of names and unpacked bytes of the drops of 30 days at scale 0.02, seed 7.
DROPS = {"2": "1008135126b08bdb58b6c857a77ed0bdd690e79eeabdf28e5847476a90f54b7c"}


def test_the_page_states_every_parameter_and_its_default() -> None:
    stated = dict(re.findall(r"^\| `(\w+Parameters\.\w+)` \| `(.*)` \|$", PAGE.read_text(), re.MULTILINE))
    in_force = {
        f"{type(part).__name__}.{field.name}": repr(getattr(part, field.name))
        for part in vars(Parameters()).values()
        for field in fields(part)
    }
    assert stated == in_force


def test_the_frozen_world_keeps_its_bytes(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    simulate(landing, tmp_path / "truth", Arguments(0.02, 30, 7), lambda _: None)
    digest = hashlib.sha256()
    for path in sorted(landing.rglob("*.gz")):
        digest.update(str(path.relative_to(landing)).encode() + gzip.decompress(path.read_bytes()))
    assert digest.hexdigest() == DROPS[WORLD], "another model is another world: give it the next number"
