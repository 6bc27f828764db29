"""`python -m coopgap.printed`: the command `coopgap printed`."""

from runpy import run_module

if __name__ == "__main__":
    run_module("coopgap.app.printed", run_name="__main__")
