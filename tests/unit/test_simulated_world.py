"""The default world is frozen: its page tells every parameter, and its bytes stay what they are."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from shop import NIGHTSHIFT

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


@pytest.mark.parametrize("cores", [1, None], ids=["one core", "all cores"])
def test_the_frozen_world_keeps_its_bytes(tmp_path: Path, cores: int | None) -> None:
    mine = sorted(os.sched_getaffinity(0))[:cores]
    command = [NIGHTSHIFT, "simulate", "--home", tmp_path, "--scale", "0.02", "--days", "30", "--seed", "7"]
    subprocess.run(command, check=True, preexec_fn=lambda: os.sched_setaffinity(0, mine), capture_output=True)
    landing = tmp_path / "landing"
    digest = hashlib.sha256()
    for path in sorted(landing.rglob("*.gz")):
        digest.update(str(path.relative_to(landing)).encode() + gzip.decompress(path.read_bytes()))
    assert digest.hexdigest() == DROPS[WORLD], "another model is another world: give it the next number"
