"""Figures for papers, drawn from runs: one module for each kind, one style for all."""
