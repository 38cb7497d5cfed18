"""``python -m restorebench`` is the command ``restorebench``."""

from restorebench.cli import main

main()
