"""The files of an ONNX copy: its parts, and the layout that says how they pass values on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.graph import onnx_files, savedmodels
from converter.graph.carve import Carved
from converter.graph.cut import Cut
from converter.graph.flat import Flat
from converter.model.onnx_layout import HEAD, NETWORK, PICTURE, TAIL, Layout, Part


def write(flat: Flat, parts: Cut, network: Any, into: Path, *, mixed: bool = False) -> None:
    """The copy's files, with `network` as its network; `mixed`: see Layout."""
    into.mkdir(exist_ok=True)
    onnx_files.save(network, into / NETWORK)
    if parts.picture_model is not None:
        onnx_files.save(parts.picture_model, into / PICTURE)
    for name, part in ((HEAD, parts.head), (TAIL, parts.tail)):
        if part is not None:
            savedmodels.save(part, into / name)
    replace(layout(flat, parts), mixed=mixed).write(into)


def layout(flat: Flat, parts: Cut) -> Layout:
    """How its parts pass values on."""
    return Layout(
        input_name=flat.input_name,
        outputs=tuple(flat.outputs),
        network=_part(parts.network),
        decode=parts.pictures.decode if parts.pictures else None,
        picture=_part(parts.pictures.graph) if parts.pictures else None,
        head=_part(parts.head) if parts.head else None,
        tail=_part(parts.tail) if parts.tail else None,
        pixels=parts.pixels,
    )


def _part(part: Carved) -> Part:
    return Part(reads=tuple(part.feeds), writes=tuple(part.fetches))
