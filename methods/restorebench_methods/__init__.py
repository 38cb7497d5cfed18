"""The networks and classical algorithms of restorebench, each an entry point `restorebench.methods`."""
