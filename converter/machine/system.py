"""What a system other than Linux does not have, and what is then done without."""

import platform
import sys


def name() -> str:
    """The system and its processor, as `Linux x86_64`."""
    return f"{platform.system()} {platform.machine()}"


def lacking(system: str = sys.platform) -> str | None:
    """What is done without here, as a sentence; None on Linux."""
    if system == "linux":
        return None
    return (
        f"{platform.system() or system} is not Linux: what processes hold is not measured, so a conversion's memory "
        "is not bounded and its room is judged by all memory that there is; workers may gain privileges and are not "
        "kept to cores; there is no TensorRT"
    )
