"""Lines as an SVG, drawn by hand: a panel for each model, a line for each backend."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log2

Lines = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]

WIDTH, HEIGHT, LEFT, TOP, BELOW = 420, 280, 56, 34, 40
COLOURS = {"native": "#777777", "frozen": "#b8860b", "trt": "#2e8b57", "onnx": "#1f6fb2"}
STYLE = "text{font:12px sans-serif;fill:#777}line{stroke:#bbb}polyline{fill:none;stroke-width:2}"


def svg(lines: Lines) -> str:
    """Pictures a second by connections, which are on a scale of doublings."""
    panels = [_panel(title, each, number) for number, (title, each) in enumerate(lines.items())]
    size = f'width="{WIDTH * max(1, len(panels))}" height="{HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(panels)}</svg>\n'


def _panel(title: str, lines: Mapping[str, Sequence[tuple[int, float]]], number: int) -> str:
    points = [point for line in lines.values() for point in line]
    most, widest = max(rate for _, rate in points), max(1.0, *(log2(count) for count, _ in points))
    drawn = [f'<text x="{LEFT}" y="18">{escape(title)}: pictures/s</text>']
    for share in (0, 0.5, 1):
        y = _y(share)
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - 70}" y1="{y}" y2="{y}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{most * share:.0f}</text>')
    for count in sorted({count for count, _ in points}):
        drawn.append(f'<text x="{_x(count, widest)}" y="{HEIGHT - 18}" text-anchor="middle">{count}</text>')
    drawn.append(f'<text x="{WIDTH - 70}" y="{HEIGHT - 3}" text-anchor="end">connections</text>')
    drawn += [_line(name, sorted(line), most, widest) for name, line in lines.items()]
    return f'<g transform="translate({number * WIDTH})">{"".join(drawn)}</g>'


def _line(name: str, line: Sequence[tuple[int, float]], most: float, widest: float) -> str:
    colour = COLOURS.get(name, "#000000")
    places = [(_x(count, widest), _y(rate / most)) for count, rate in line]
    path = " ".join(f"{x},{y}" for x, y in places)
    x, y = places[-1]
    return (
        f'<polyline points="{path}" style="stroke:{colour}"/>'
        f'<text x="{x + 6}" y="{y + 4}" style="fill:{colour}">{escape(name)}</text>'
    )


def _x(count: int, widest: float) -> float:
    return round(LEFT + (WIDTH - LEFT - 70) * log2(count) / widest, 1)


def _y(share: float) -> float:
    return round(HEIGHT - BELOW - (HEIGHT - TOP - BELOW) * share, 1)
