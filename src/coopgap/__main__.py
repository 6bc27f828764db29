"""`coopgap COMMAND …`: the same as `python -m coopgap.COMMAND …`."""

import sys

from coopgap.app.cli import COMMANDS, main

__all__ = ["COMMANDS", "main"]

if __name__ == "__main__":
    sys.exit(main())
