"""What tests of reading look at: the cells of a column, and the one line of a refusal."""

from __future__ import annotations

import pytest

from coopgap.core.errors import SurveyError
from coopgap.survey.raw import RawTable
from coopgap.survey.read import read_table


def cells(source, column):
    """The cells of a column, None where empty, of a table or a file."""
    raw = source if isinstance(source, RawTable) else read_table(source, [column])
    answers = raw.answers(column)
    values = [*answers.values, None]
    return [values[place] for place in answers.index]


def refusal(path, columns=None, **options):
    with pytest.raises(SurveyError) as caught:
        read_table(path, columns, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message
