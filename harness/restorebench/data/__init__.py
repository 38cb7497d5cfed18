"""Which images there are: sets, layouts and manifests, and whether a copy is the known one."""
