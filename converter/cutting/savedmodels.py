"""A part of the graph as a SavedModel, for the operations that only TensorFlow has."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.cutting.carving import Carved
from converter.signature import SERVING


def save(part: Carved, folder: Path) -> None:
    """Write a part; its signature takes and gives the values that the part reads and writes, by their names."""
    module = tf.Module()
    module.serve = tf.function(_function(part), input_signature=part.specs, autograph=False)
    tf.saved_model.save(module, str(folder), signatures={SERVING: module.serve})


def _function(part: Carved) -> Any:
    def run(*values: Any) -> dict[str, Any]:
        given = dict(zip(part.feeds.values(), values, strict=True))
        found = tf.graph_util.import_graph_def(
            part.definition, input_map=given, return_elements=list(part.fetches.values()), name=""
        )
        return dict(zip(part.fetches, found, strict=True))

    return run
