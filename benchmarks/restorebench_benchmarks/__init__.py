"""Suites, tasks, data sets, mixes, protocols, noise schemes in YAML; degradations; sample."""

from importlib.resources import files

DATASETS = files(__name__) / "datasets"
MIXES = files(__name__) / "mixes"
NOISE = files(__name__) / "noise"
PROTOCOLS = files(__name__) / "protocols"
REFERENCES = files(__name__) / "references.bib"
SUITES = files(__name__) / "suites"
TASKS = files(__name__) / "tasks"
