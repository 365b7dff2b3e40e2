"""The demand model as MLflow serves it: rows of `models.demand.features.FEATURES` in, mean and quantiles out.

MLflow runs this file to load the model ("models from code"), so that nothing is pickled. The nightly scoring does
not come this way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from models.demand.model import DemandModel


class ServedDemandModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        files = {name: Path(path).read_bytes() for name, path in context.artifacts.items()}
        self.model = DemandModel.from_files(files)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        return self.model.predict(model_input)


set_model(ServedDemandModel())
