"""What a run shows of itself in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coopgap.report.content.printed import printed_section
from coopgap.report.content.says import says_section
from coopgap.report.page import environment
from coopgap.report.view import make_view
from coopgap.report.words import clean
from coopgap.study.spec import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["notebook_html"]


def notebook_html(frames: Mapping[str, pd.DataFrame], study: Study, meta: Mapping[str, Any]) -> str:
    """Printed gaps and headline sentences as an HTML fragment, escaped, without a script.

    Parameters
    ----------
    frames
        The five tables by name.
    study
        The study they answer.
    meta
        As in run.json.
    """
    view = make_view(frames, study, meta)
    found = [section for section in (printed_section(view), says_section(view)) if section]
    return (
        environment()
        .get_template("notebook.html")
        .render(title=clean(study.title), mark=view.mark, sections=found, drawings={})
    )
