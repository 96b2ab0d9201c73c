"""Charts as the server draws them: bars of SVG, which need no script and print as they look.

The numbers stand beside them in a table, for screen readers and for whoever wants them exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# In the units of the drawing; its width is stretched to whatever room there is.
STEP, WIDTH, HEIGHT = 10, 8, 100
# What isn't nothing can be seen.
LEAST = 1.5


@dataclass(frozen=True, kw_only=True)
class Part:
    """One piece of a bar: a name for its colour, and how much it is; `text` as people read it."""

    name: str
    value: int
    text: str
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One bar, its parts from the bottom up. `label` for the axis, `span` whole, for the table."""

    label: str
    span: str
    link: str
    total: str
    parts: Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class Rect:
    """Where a part is drawn; text, as the decimal point is SVG's and not the language's."""

    name: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A column with its rectangles."""

    column: Column
    rects: list[Rect]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Bars side by side, as high as the highest, which is `most`. `summary` says in words what they show."""

    title: str
    summary: str
    most: str
    legend: Sequence[tuple[str, str]]
    columns: list[Drawn]

    @property
    def view_box(self) -> str:
        """SVG's own."""
        return f"0 0 {STEP * len(self.columns)} {HEIGHT}"

    @property
    def ticks(self) -> list[str]:
        """Labels of the first, the middle and the last bar."""
        return [self.columns[place].column.label for place in (0, len(self.columns) // 2, -1)]


def draw(*, title: str, summary: str, most: str, legend: Sequence[tuple[str, str]], columns: Sequence[Column]) -> Chart:
    """Put the bars in their places."""
    highest = max((sum(part.value for part in column.parts) for column in columns), default=0)
    drawn = [Drawn(column=column, rects=_stack(column, place, highest)) for place, column in enumerate(columns)]
    return Chart(title=title, summary=summary, most=most, legend=legend, columns=drawn)


def share(*, value: int, of: int) -> str:
    """The width of a bar that lies, out of 100."""
    return f"{max(LEAST, 100 * value / of) if value and of else 0:.1f}"


def _stack(column: Column, place: int, highest: int) -> list[Rect]:
    rects, top = [], float(HEIGHT)
    for part in column.parts:
        if not part.value:
            continue
        height = max(LEAST, HEIGHT * part.value / highest)
        top -= height
        rects.append(
            Rect(
                name=part.name, x=f"{place * STEP + (STEP - WIDTH) / 2:.1f}", y=f"{max(0.0, top):.2f}",
                width=str(WIDTH), height=f"{height:.2f}",
            )
        )  # fmt: skip
    return rects
