"""Requests that did not come over HTTP, for the pipeline: it looks at their state alone."""

import random

from starlette.requests import Request

from app.api.departures import DEPARTURE, Departure

__all__ = ["Request", "request"]


def request() -> Request:
    """A request with an id; whoever runs it cancels the task when its client leaves."""
    state = {"request_id": f"{random.getrandbits(128):032x}", DEPARTURE: Departure()}
    return Request({"type": "http", "headers": [], "state": state})
