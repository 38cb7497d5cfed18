"""The networks and classical algorithms, each an entry point of group `restorebench.methods`."""

from importlib.resources import files

WEIGHTS = files(__name__) / "weights"
