"""Rows as a picture: what was measured from least to most, its median, and the target. Writes SVG by itself."""
import math
from html import escape

from measure import ALONE, MORE, span_of

WIDTH, LABELS, NUMBERS, LINE = 1400, 700, 330, 20
AXIS = WIDTH - LABELS - NUMBERS
LETTERS = 120  # of a label: what there is room for
COLOURS = {True: "#2a7d2a", False: "#c02020", None: "#555555"}
STYLE = "text{font:11px sans-serif}.head{font-weight:bold}.small{font-size:10px;fill:#777}"


class Scale:
    """A logarithmic axis from one power of two to another."""

    def __init__(self, values):
        logs = [math.log2(value) for value in values if value > 0] or [0]
        self.low = min(-1, math.floor(min(logs)))
        self.high = max(1, math.ceil(max(logs)))

    def x(self, value):
        at = math.log2(value) if value > 0 else self.low
        return LABELS + AXIS * (min(max(at, self.low), self.high) - self.low) / (self.high - self.low)

    def marks(self):
        step = max(1, (self.high - self.low) // 8)
        return [2.0 ** power for power in range(self.low, self.high + 1, step)]


def _line(x1, y1, x2, y2, colour, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(x, y, text, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _shown(row):
    """Least, median, most and target on the axis: ratios as they are, anything else as a share of its target."""
    target = row["least"] if row["least"] is not None else row["most"]
    value = row["value"]
    whole = target if row["how"] in (ALONE, MORE) and target else 1
    return value["min"] / whole, value["median"] / whole, value["max"] / whole, target / whole if target else None


def _in_numbers(row):
    unit = f" {row['unit']}" if row["how"] in (ALONE, MORE) else ""
    target = "" if row["target"] == "none" else f", target {row['target']}"
    return f"{span_of(row)}{unit}{target}"


def _panel(title, rows, top):
    shown = [_shown(row) for row in rows]
    scale = Scale([number for numbers in shown for number in numbers if number])
    bottom = top + 30 + LINE * len(rows)
    out = [_text(4, top + 14, title, "head")]
    for mark in scale.marks():
        out += [_line(scale.x(mark), top + 24, scale.x(mark), bottom, "#888" if mark == 1 else "#ddd"),
                _text(scale.x(mark), bottom + 12, f"{mark:g}", "small", "middle")]
    for index, (row, (least, median, most, target)) in enumerate(zip(rows, shown)):
        y = top + 30 + LINE * index + LINE / 2
        colour = COLOURS[row["met"]]
        name = f"{row['row']}: {row['figure']}"
        out.append(f'<g><title>{escape(name)}; {escape(row["sync"])}; {escape(row["cache"])}</title>')
        out.append(_text(4, y + 4, name if len(name) <= LETTERS else name[:LETTERS - 1] + "…"))
        out.append(_line(scale.x(least), y, scale.x(most), y, colour, 3))
        out.append(f'<circle cx="{scale.x(median):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        if target:
            # The hook points to the side that is wanted.
            x, way = scale.x(target), 5 if row["least"] is not None else -5
            hook = f"M{x + way:.1f} {y - 7:.1f}H{x:.1f}V{y + 7:.1f}H{x + way:.1f}"
            out.append(f'<path d="{hook}" fill="none" stroke="#000"/>')
        out.append(_text(LABELS + AXIS + 8, y + 4, _in_numbers(row)))
        out.append("</g>")
    return out, bottom + 30


def svg(rows, caption):
    """A document: ratios against another program first, then what is held against a bound."""
    parts, top = [_text(4, 16, caption, "small")], 26
    ratios = [row for row in rows if row["how"] not in (ALONE, MORE)]
    bounds = [row for row in rows if row["how"] in (ALONE, MORE)]
    for title, chosen in (("blobd against the other: ratio", ratios),
                          ("blobd against a bound: share of it", bounds)):
        if chosen:
            lines, top = _panel(title, chosen, top)
            parts += lines
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">\n'
            f'<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n')
