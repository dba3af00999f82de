"""Answers that are sent in one message, through the layers that change answers."""

from typing import Any

import pytest
from starlette.types import Message, Send

from app.api.cors import Cors
from app.api.exchange import ANSWER
from app.api.heads import Heads
from app.api.hosts import Allowed

pytestmark = pytest.mark.anyio

PAGE = "http://localhost:3000"


async def test_a_page_is_told_that_it_may_read_the_answer_and_head_has_no_body() -> None:
    async def answering(_: Any, __: Any, send: Send) -> None:
        await send({"type": ANSWER, "status": 200, "headers": [], "body": b"{}"})

    async def told(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    scope = {"type": "http", "method": "HEAD", "path": "/x", "headers": [(b"origin", PAGE.encode())]}
    await Cors(Heads(answering), Allowed(origins=(PAGE,)))(scope, None, told)  # type: ignore[arg-type]  # nobody reads
    assert (b"access-control-allow-origin", PAGE.encode()) in sent[0]["headers"]
    assert sent[0]["body"] == b""
