"""`python -m coopgap.printed`: the command `coopgap printed`."""

import sys
from importlib import import_module

if __name__ == "__main__":
    # By name, since commands stand above this package.
    sys.exit(import_module("coopgap.app.cli").run("printed"))
