"""Rolling origins on one snapshot: judged window by window, kept as they come, found again after a kill.

What a candidate did on a window is one file, named by everything it depends on. The gate and `nightshift backtest`
read the same files.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.home import Home, write_atomically
from pipelines.ledger import fingerprint
from pipelines.model_inputs import Inputs

if TYPE_CHECKING:
    import pandas as pd

    from models.description import Description, Recipe
    from models.rolling import Rolling
    from models.splits import ClosedWindow
    from models.trial import Trial

_ROOT = Path(__file__).parent.parent
# Of as many snapshots what was judged is kept.
_KEPT = 3
Log = Callable[[str], None]


@dataclass(frozen=True)
class Backtest:
    """The windows, newest first, and what each candidate's cases on each of them were; None where it had too little
    data."""

    description: Description
    windows: tuple[ClosedWindow, ...]
    judged: Mapping[tuple[str, ClosedWindow], pd.DataFrame | None]

    def trial(self, challenger: str, window: ClosedWindow | None = None) -> Trial | None:
        """Every candidate on the windows that the challenger was judged on, or on this one of them; None where there
        is none.

        A candidate that misses one of them is left out.
        """
        import pandas as pd

        from models.trial import Trial

        asked = self.windows if window is None else (window,)
        shared = [each for each in asked if self._cases(challenger, each) is not None]
        frames = {}
        for name in dict.fromkeys(name for name, _ in self.judged):
            cases = [frame for frame in (self._cases(name, each) for each in shared) if frame is not None]
            if shared and len(cases) == len(shared):
                frames[name] = pd.concat(cases, ignore_index=True)
        return Trial(self.description, frames) if challenger in frames else None

    def _cases(self, name: str, window: ClosedWindow) -> pd.DataFrame | None:
        frame = self.judged.get((name, window))
        return frame if frame is not None and len(frame) else None


def code_of(model: str) -> str:
    """The fingerprint of everything that a fit depends on besides snapshot, recipe and settings."""
    sources = [*sorted((_ROOT / "models").glob("*.py")), *sorted((_ROOT / "models" / model).glob("*.py"))]
    from models.questions import description

    libraries = {name: installed_version(name) for name in description(model).predicts_with}
    return fingerprint([[hashlib.sha256(path.read_bytes()).hexdigest() for path in sources], libraries])


def candidates(inputs: Inputs, seed: int, champion: Recipe | None) -> dict[str, Recipe]:
    """Challenger and baselines by method, and `champion` where its recipe is none of theirs."""
    from models.description import Recipe

    found = {inputs.description.challenger: inputs.question.recipe(seed)}
    found |= {name: Recipe(name, {}, seed) for name in inputs.description.baselines}
    if champion and champion.text not in {recipe.text for recipe in found.values()}:
        found["champion"] = champion
    return found


def run(
    home: Home,
    inputs: Inputs,
    rolling: Rolling,
    recipes: Mapping[str, Recipe],
    origins: int,
    log: Log,
) -> Backtest:
    """Judge every candidate on up to `origins` newest closed windows; what is on file is not judged again."""
    from models.rolling import windows_of

    description = inputs.description
    windows = windows_of(description, inputs.question.days(inputs.history), inputs.matures_days, origins)
    folder = home.backtests / description.name / f"judged-{_key(inputs)}"
    _prune(folder)
    files = {(name, window): _file(folder, recipes[name], window) for window in windows for name in recipes}
    missing = {window: [name for name in recipes if not files[name, window].exists()] for window in windows}
    for number, window in enumerate(windows, start=1):
        for judged in rolling.judged({window: missing[window]}):
            write_atomically(files[judged.candidate, window], _parquet(judged.cases))
        found = len(recipes) - len(missing[window])
        log(
            f"{description.name}: origin {number} of {len(windows)}, {window.first} to {window.last}"
            + (f", {found} of {len(recipes)} candidates found" if found else "")
        )
    return Backtest(description, tuple(windows), {key: _read(path) for key, path in files.items()})


def _key(inputs: Inputs) -> str:
    return fingerprint([inputs.snapshot, inputs.matures_days, code_of(inputs.description.name)])[:16]


def _file(folder: Path, recipe: Recipe, window: ClosedWindow) -> Path:
    # The seed of a method without parameters changes nothing.
    made_by = fingerprint(replace(recipe, seed=recipe.seed if recipe.parameters else 0).text)[:12]
    return folder / f"{window.origin}-{recipe.method}-{made_by}.parquet"


def _parquet(cases: pd.DataFrame | None) -> bytes:
    buffer = io.BytesIO()
    if cases is not None:
        cases.to_parquet(buffer, engine="pyarrow", index=False, compression="zstd")
    return buffer.getvalue()


def _read(path: Path) -> pd.DataFrame | None:
    import pandas as pd

    content = path.read_bytes()
    return pd.read_parquet(io.BytesIO(content)) if content else None


def _prune(folder: Path) -> None:
    """Remove what was judged of older snapshots."""
    folder.mkdir(parents=True, exist_ok=True)
    others = [path for path in folder.parent.glob("judged-*") if path != folder]
    for old in sorted(others, key=lambda path: path.stat().st_mtime)[: -(_KEPT - 1)]:
        shutil.rmtree(old)


def window_text(windows: tuple[ClosedWindow, ...]) -> str:
    """The days that windows, newest first, cover together."""
    if not windows:
        return "no closed window"
    return f"{windows[-1].first} to {windows[0].last}, {len(windows)} origins"
