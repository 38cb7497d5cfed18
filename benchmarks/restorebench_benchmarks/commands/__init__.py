"""Commands on what this package holds, registered as `restorebench.commands`."""
