"""Many processes, devices and machines: bundles of a plan, on engines that exist."""
