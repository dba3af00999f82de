"""Environment variables that look like a setting and are none."""

import difflib
from collections.abc import Mapping

from app.settings import PREFIX, Settings


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """Sentences about DETECTOR_* variables that are no setting but look like one.

    Others are passed over: Kubernetes sets DETECTOR_PORT and the like for a service called "detector".
    """
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    strange = [name for name in environ if name.startswith(PREFIX) and name not in known]
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.8) for name in strange}
    return [f"{name} is not a setting; did you mean {match[0]}?" for name, match in near.items() if match]
