"""TF-TRT freezes a model itself; here as every other copy is frozen, so that all are made or refused alike."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from tensorflow.python.eager import wrap_function
from tensorflow.python.framework import convert_to_constants as freezing

from converter.contract import UnusableModel
from converter.graph.freezing import freeze


@contextmanager
def frozen_alike(read: Collection[str]) -> Iterator[None]:
    """Have TF-TRT freeze by `converter.graph.freezing.freeze`; `read` are the outputs that are needed."""

    def freeze_alike(function: Any, *args: Any, **options: Any) -> Any:
        frozen = freeze(function, lower_control_flow=True, read=read)
        made = frozen.function
        names = ([each.name for each in tensors] for tensors in (made.inputs, made.outputs))
        if lost := sorted(set(function.structured_outputs) - set(frozen.outputs)):
            named = ", ".join(map(repr, lost))
            raise UnusableModel(f"the graph changes its output {named} as it runs, which TF-TRT can't leave out")
        whole = frozen.weights.restored(made.graph.as_graph_def())
        return wrap_function.function_from_graph_def(whole, *names)

    theirs, freezing.convert_variables_to_constants_v2 = freezing.convert_variables_to_constants_v2, freeze_alike
    try:
        yield
    finally:
        freezing.convert_variables_to_constants_v2 = theirs
