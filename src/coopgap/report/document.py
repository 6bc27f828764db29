"""What a report is made of, before it is HTML, Markdown, LaTeX or Word: text, no numbers."""

from __future__ import annotations

from dataclasses import dataclass

from coopgap.report.values import DASH, DASH_NOTE
from coopgap.report.words import status_notes

__all__ = ["Block", "Figure", "Heading", "Items", "Paragraph", "Section", "Table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Plain sentences; `lead` is a short title set off from them."""

    text: str
    lead: str = ""
    brief: bool = True

    @property
    def kind(self) -> str:
        """Name the templates know the block by."""
        return "paragraph"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading below a section's."""

    text: str
    brief: bool = True

    @property
    def kind(self) -> str:
        """Name the templates know the block by."""
        return "heading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list; each item may have a lead."""

    items: tuple[tuple[str, str], ...]
    brief: bool = True

    @property
    def kind(self) -> str:
        """Name the templates know the block by."""
        return "items"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells of text.

    Attributes
    ----------
    leading, trailing
        How many columns from the left and from the right are words; those between are numbers, set
        to the right.
    strong
        Rows set off: the headline.
    mark
        EXAMPLE DATA, printed, or empty.
    brief
        Whether the short report has it too.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    leading: int = 1
    trailing: int = 0
    strong: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    mark: str = ""
    brief: bool = True

    @property
    def kind(self) -> str:
        """Name the templates know the block by."""
        return "table"

    def is_number(self, column: int) -> bool:
        """Whether a column is set to the right."""
        return self.leading <= column < len(self.header) - self.trailing

    @property
    def explained(self) -> tuple[str, ...]:
        """The notes, and what a dash or a status means where a cell holds one."""
        cells = [cell for row in self.rows for cell in row]
        dashes = (DASH_NOTE,) if DASH in cells else ()
        return (*self.notes, *status_notes(cells), *dashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A place for a drawing, by its name."""

    name: str
    caption: str
    mark: str = ""
    brief: bool = True

    @property
    def kind(self) -> str:
        """Name the templates know the block by."""
        return "figure"


type Block = Paragraph | Heading | Items | Table | Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled part; `tone` sets printed numbers apart: `printed` in a run, else `real`."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]
    tone: str = ""
