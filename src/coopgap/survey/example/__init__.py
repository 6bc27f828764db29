"""The example survey: rebuilt from printed margins, with known true gaps. Not data about Peru."""

from __future__ import annotations

from coopgap.survey.example.make import Example, make_example
from coopgap.survey.example.model import DEFAULT, ExampleModel, OutcomeModel

__all__ = ["DEFAULT", "Example", "ExampleModel", "OutcomeModel", "make_example"]
