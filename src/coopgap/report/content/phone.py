"""The phone interviews: who was reached, whether they answer alike, what the gap would be."""

from __future__ import annotations

from collections.abc import Sequence

from coopgap.estimate import SensitivityRow
from coopgap.report.content.phone_alike import ALIKE, alike_blocks, margin_blocks
from coopgap.report.content.phone_borrowed import BORROWED, borrowed_blocks
from coopgap.report.content.phone_gaps import VERSIONS, gap_blocks, is_version
from coopgap.report.content.phone_note import phone_limits
from coopgap.report.content.phone_reached import reached_blocks
from coopgap.report.content.unanswered import unanswered_items
from coopgap.report.document import Block, Figure, Heading, Items, Paragraph, Section
from coopgap.report.figures.names import PHONE
from coopgap.report.view import View
from coopgap.vocabulary import Check

__all__ = ["phone_section"]


def phone_section(view: View, drawn: Sequence[str]) -> Section | None:
    """The phone check; None where no row of it exists."""
    rows = [row for row in view.sensitivity if row.check.startswith("phone")]
    if not rows:
        return None
    blocks: list[Block] = [Paragraph(lead="Limits.", text=phone_limits(view))]
    unanswered = unanswered_items(view, [row for row in rows if not is_version(row)])
    blocks += [Items(items=unanswered)] if unanswered else []
    alike = [row for row in rows if row.check == Check.PHONE_EQUIVALENCE and row.quantity in ALIKE]
    if alike:
        blocks.append(Heading(text="Do they answer like the comparison people asked in person?"))
        blocks += alike_blocks(view, alike)
        if PHONE in drawn:
            blocks.append(
                Figure(
                    name=PHONE,
                    caption=(
                        "Phone less in-person comparison people, adjusted, with the "
                        "margin declared."
                    ),
                    mark=view.mark,
                )
            )
    blocks += margin_blocks(view, rows)
    blocks += gap_blocks(view, rows)
    blocks += borrowed_blocks(view, rows, drawn)
    blocks += reached_blocks(view, rows)
    blocks += _others(view, rows)
    return Section(title="The phone subsample", anchor="phone", blocks=tuple(blocks))


def _others(view: View, rows: Sequence[SensitivityRow]) -> list[Block]:
    """Checks beyond composition, equivalence and the gaps; what has no answer stands above."""
    from coopgap.report.content.checks import check_blocks

    known = {Check.PHONE_COMPOSITION, Check.PHONE_EQUIVALENCE, *VERSIONS, *BORROWED}
    return check_blocks(view, [row for row in rows if row.check not in known and row.quantity])
