"""`python -m coopgap.report`: the command `coopgap report`."""

from runpy import run_module

if __name__ == "__main__":
    run_module("coopgap.app.report", run_name="__main__")
