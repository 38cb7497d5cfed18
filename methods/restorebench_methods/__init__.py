"""The networks and classical algorithms, each an entry point of group `restorebench.methods`."""
