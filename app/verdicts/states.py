"""The state of every backend and why it has it, computed from phases, verdicts and choice: here and nowhere else."""

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from app.choices import NATIVE
from app.lanes.lane import Lane
from app.lanes.replica import Replica
from app.metrics import Metrics
from app.verdicts.routing import Routing
from app.verdicts.verdict import WORDS
from converter.sizes import SIZES, SizeName
from converter.sizes import WORDS as SIZE_WORDS

StateName = Literal["unavailable", "converting", "refused", "loading", "standby", "active", "crashed"]
STATES: tuple[StateName, ...] = get_args(StateName)
NO_VERDICT = "none"


@dataclass(frozen=True, slots=True)
class State:
    """One word, and a sentence that says why."""

    name: StateName
    reason: str = ""


def state_of(routing: Routing, backend: str) -> State:
    """A backend's state: its phase while none of its replicas is ready; else `active`, or `standby` beside that one."""
    phase = routing.lanes[backend].slot.phase
    if phase.name != "ready":
        return State(phase.name, phase.reason)
    active = routing.active or NATIVE
    if backend == active:
        return State("active", _why_active(routing, backend))
    return State("standby", _why_standby(routing, backend, active))


def expose(routing: Routing, metrics: Metrics) -> None:
    """Have every scrape read the states and verdicts of that moment."""
    for name, lane in routing.lanes.items():
        metrics.backend_ready.labels(name).set_function(partial(_is_ready, lane))
        metrics.backend_active.labels(name).set_function(partial(_is_active, routing, name))
        metrics.backend_gpu_memory.labels(name).set_function(partial(_gpu_memory, lane))
        metrics.backend_replicas.labels(name).set_function(partial(_replicas_ready, lane))
        for replica in lane.slot.replicas:
            metrics.processes.watch(name, partial(_pid, replica), replica=replica.placement.replica)
        for size in SIZES:
            metrics.size_active.labels(name, size).set_function(partial(_answers, routing, name, size))
        for state in STATES:
            metrics.backend_state.labels(name, state).set_function(partial(_has_state, routing, name, state))
    for copy in routing.copies:
        for word in (NO_VERDICT, *WORDS):
            metrics.gate_verdict.labels(copy, word).set_function(partial(_has_verdict, routing, copy, word))


def _is_ready(lane: Lane) -> float:
    return float(lane.slot.ready)


def _gpu_memory(lane: Lane) -> float:
    return float(sum(lease.facts.gpu_memory_bytes or 0 for lease in lane.slot.serving().values()))


def _replicas_ready(lane: Lane) -> float:
    return float(sum(each.serves for each in lane.slot.replicas))


def _pid(replica: Replica) -> int | None:
    return replica.pid


def _is_active(routing: Routing, backend: str) -> float:
    return float(routing.active == backend)


def _answers(routing: Routing, backend: str, size: SizeName) -> float:
    return float(routing.active_for(size) == backend)


def _has_state(routing: Routing, backend: str, name: StateName) -> float:
    return float(state_of(routing, backend).name == name)


def _has_verdict(routing: Routing, copy: str, word: str) -> float:
    verdict = routing.standing(copy).verdict
    return float((verdict.word if verdict else NO_VERDICT) == word)


def _why_active(routing: Routing, active: str) -> str:
    if routing.chosen == active:
        return "an admin chose it"
    verdict = routing.standing(active).verdict
    if verdict is None:  # native has none
        return ""
    instead = "" if verdict.word == "passed" else "it stands in for native; "
    return f"{instead}{verdict.word}: {verdict.reason}"


def _why_standby(routing: Routing, backend: str, active: str) -> str:
    standing = routing.standing(backend)
    if standing.rolled_back:
        return f"rolled back: {standing.rolled_back}"
    if standing.verdict is None and backend != NATIVE:
        return standing.unjudged
    if standing.verdict is not None and standing.verdict.word != "passed":
        return f"{standing.verdict.word}: {standing.verdict.reason}"
    if standing.slower and not standing.passed:
        return f"slower: {'; '.join(standing.losses.values())}"
    if routing.chosen == active:
        return f"an admin chose {active}"
    others = _sizes_of(routing, active, backend)
    return f"{active} agrees with native and is faster" + (
        f", but {backend} answers pictures {others}" if others else ""
    )


def _sizes_of(routing: Routing, active: str, backend: str) -> str:
    """The size classes on which the active backend was judged and which this one answers, in words."""
    verdict = routing.standing(active).verdict
    judged = verdict.sizes if verdict else ()
    return " and ".join(SIZE_WORDS[size] for size in judged if routing.active_for(size) == backend)
