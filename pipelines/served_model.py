"""Any registered model as MLflow serves it: rows of features in, the model's outputs back.

MLflow runs this file to load the model ("models from code"), so that nothing is pickled. Files that are not those
registered are not loaded. The nightly scoring does not come this way.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from models.questions import question


class ServedModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        config = context.model_config
        files = {}
        for name, digest in config["sha256"].items():
            files[name] = Path(context.artifacts[name]).read_bytes()
            if hashlib.sha256(files[name]).hexdigest() != digest:
                raise ValueError(f"{name} is not the file that was registered")
        self.model = question(config["model"], config["matures_days"]).load(files)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        return self.model.predict(model_input)


set_model(ServedModel())
