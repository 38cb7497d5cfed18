"""Suites, tasks, data sets, protocols and noise schemes in YAML; degradations; embedded sample."""

from importlib.resources import files

DATASETS = files(__name__) / "datasets"
NOISE = files(__name__) / "noise"
PROTOCOLS = files(__name__) / "protocols"
SUITES = files(__name__) / "suites"
TASKS = files(__name__) / "tasks"
