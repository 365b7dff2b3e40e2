"""A process that runs the code of a commit: it learns a model again and compares it with the recorded one.

python -m pipelines.rebuilt_model HOME MODEL SNAPSHOT AS_OF MATURES_DAYS RECIPE FOLDER
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

from pipelines import backtest
from pipelines.model_inputs import model_inputs
from pipelines.settings import Settings


def main(home: str, model: str, snapshot: str, as_of: str, matures: str, recipe_text: str, folder: str) -> None:
    from models.description import Recipe
    from models.rolling import Rolling

    day, matures_days = date.fromisoformat(as_of), int(matures)
    inputs = model_inputs(Settings.load(home=Path(home)), model, day, snapshot, matures_days)
    recipe = Recipe.from_text(recipe_text)
    with Rolling(inputs.question, inputs.history, {recipe.method: recipe}, threads=1) as rolling:
        rebuilt = rolling.fit(recipe.method, day, matures_days)
    recorded = inputs.question.load({path.name: path.read_bytes() for path in Path(folder).iterdir()})
    outputs = list(inputs.description.outputs)
    one, other = (inputs.question.score(each, inputs.history)[outputs] for each in (rebuilt, recorded))
    is_same = (one == other) | (one.isna() & other.isna())
    answer = {
        "code": backtest.code_of(model),
        "version": rebuilt.version,
        "rows": len(one),
        "differing": int((~is_same.all(axis=1)).sum()),
    }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
