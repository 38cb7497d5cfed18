"""Whether a checkpoint is worse than its baseline: rule, costs and report."""
