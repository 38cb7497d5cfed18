"""Training: recipes and mixtures in YAML, crops, objectives, the loop, the card.

Imported by `restorebench train` alone; a network knows nothing of it.
"""
