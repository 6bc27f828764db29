"""The example survey: rebuilt from printed margins, with known true gaps. Not data about Peru."""

from coopgap.survey.example.make import Example, make_example, write_example
from coopgap.survey.example.model import DEFAULT, ExampleModel, OutcomeModel

__all__ = ["DEFAULT", "Example", "ExampleModel", "OutcomeModel", "make_example", "write_example"]
