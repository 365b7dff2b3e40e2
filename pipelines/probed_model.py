"""A process that may crash: it loads a model's files, predicts the example with them and prints the version.

python -m pipelines.probed_model MODEL MATURES_DAYS FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from pipelines.model_files import MEMORY_BYTES


def main(name: str, matures_days: str, folder: str) -> None:
    from models.questions import question

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = question(name, int(matures_days))
    model = asked.load({path.name: path.read_bytes() for path in Path(folder).iterdir()})
    predicted = model.predict(asked.example())
    if predicted.isna().any(axis=None):
        raise ValueError("its predictions hold no number")
    sys.stdout.write(json.dumps({"version": model.version}))


if __name__ == "__main__":
    main(*sys.argv[1:])
