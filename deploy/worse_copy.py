"""Make a copy that is truly worse than its model: python deploy/worse_copy.py SOURCE TARGET [RATIO]

The SavedModel in the folder SOURCE is copied to the new folder TARGET, and its graph decodes JPEG files at a part of
their size: 1/RATIO (2, 4 or 8). Boxes move and scores fall, which the server has to find out: `make demo ARGS=--worse`.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

RATIO = 4


def main(argv: Sequence[str]) -> int:
    """Make it; an exit code of 2 if the arguments are none."""
    if len(argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    worsen(Path(argv[0]), Path(argv[1]), ratio=int(argv[2]) if len(argv) == 3 else RATIO)
    return 0


def worsen(source: Path, target: Path, *, ratio: int = RATIO) -> None:
    """Copy the SavedModel; ValueError if its graph decodes no JPEG files."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((source / "saved_model.pb").read_bytes())
    functions = model.meta_graphs[0].graph_def.library.function
    decoders = [node for function in functions for node in function.node_def if node.op == "DecodeJpeg"]
    if not decoders:
        raise ValueError(f"the graph of {source} decodes no JPEG files")
    for node in decoders:
        node.attr["ratio"].i = ratio
    shutil.copytree(source, target)
    (target / "saved_model.pb").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
