"""Airflow settles on its home when it is first imported: here on a throw-away one.

The environment is left as it was, for the tests that start Airflow's programs.
"""

import atexit
import os
import shutil
import tempfile
from unittest import mock

HOME = tempfile.mkdtemp(prefix="nightshift-airflow-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

with mock.patch.dict(os.environ, {"AIRFLOW_HOME": HOME, "_AIRFLOW__AS_LIBRARY": "1"}):
    import airflow.models
    import airflow.sdk
    import airflow.triggers.base

    # Airflow's tables name each other, and MLflow, in the same process, has SQLAlchemy look at all there are.
    airflow.models.import_all_models()
