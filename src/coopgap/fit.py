"""`python -m coopgap.fit`: the command `coopgap fit`."""

import sys

from coopgap.app.fit import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
