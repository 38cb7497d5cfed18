"""Suites, tasks, data sets, protocols, degradations and the embedded sample."""
