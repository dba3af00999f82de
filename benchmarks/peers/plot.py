"""A plot of the summary: for each server its answers a second at 8 and 32 connections, as a share of the raw call."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.peers.tables import Row

_LEFT, _WIDTH, _BAR, _ROW = 240, 640, 12, 38
_COLOURS = {"8": "#2f6f9f", "32": "#8fbcd9"}


def drawn(rows: Sequence[Row]) -> str:
    """The plot as SVG."""
    most = max((row.figures.get(f"of raw {load}", 0.0) for row in rows for load in _COLOURS), default=1.0)
    scale = (_WIDTH - _LEFT - 60) / max(1.0, most)
    height = _ROW * len(rows) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *(_server(row, 12 + number * _ROW, scale) for number, row in enumerate(rows)),
        f'<path d="M{_LEFT + scale:.0f} 4V{height - 42}" stroke="#c33" stroke-dasharray="4 3"/>',
        f'<text x="{_LEFT + scale:.0f}" y="{height - 28}" text-anchor="middle" fill="#c33">raw call</text>',
        *_legend(height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _server(row: Row, top: int, scale: float) -> str:
    name = f'<text x="{_LEFT - 8}" y="{top + 17}" text-anchor="end">{escape(row.name.replace("`", ""))}</text>'
    if row.missing:
        return f'{name}<text x="{_LEFT}" y="{top + 17}" fill="#777">not measured</text>'
    return name + "".join(
        _bar(row.figures[f"of raw {load}"], top + at * (_BAR + 1), scale, _COLOURS[load])
        for at, load in enumerate(_COLOURS)
    )


def _bar(share: float, top: int, scale: float, colour: str) -> str:
    end = _LEFT + share * scale
    bar = f'<rect x="{_LEFT}" y="{top}" width="{share * scale:.1f}" height="{_BAR}" fill="{colour}"/>'
    return f'{bar}<text x="{end + 4:.0f}" y="{top + 10}" font-size="11">{share:.2f}</text>'


def _legend(height: int) -> list[str]:
    return [
        f'<rect x="{_LEFT + at * 150}" y="{height - 20}" width="12" height="12" fill="{colour}"/>'
        f'<text x="{_LEFT + at * 150 + 18}" y="{height - 9}">{load} connections</text>'
        for at, (load, colour) in enumerate(_COLOURS.items())
    ]
