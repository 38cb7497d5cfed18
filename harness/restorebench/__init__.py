"""restorebench."""
