"""What is judged while a copy serves: first the size classes that are left, and copies that nobody could judge before.

These are tried after pauses and with a patience that grow.
"""

import asyncio
import logging
from collections.abc import Awaitable

from app.backends.backend import WorkerDied
from app.verdicts.judge import Judge

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0


class Later:
    """Asks the judge again; `run` must run. `pause_s` goes by before the next try, and doubles while there are any."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.pause_s = FIRST_PAUSE_S

    async def run(self) -> None:
        """Work until cancelled."""
        tries = 0
        while True:
            await asyncio.sleep(self.pause_s)
            left = self._judge.unjudged()
            tries, self.pause_s = (tries + 1, min(2 * self.pause_s, LONGEST_PAUSE_S)) if left else (0, FIRST_PAUSE_S)
            for copy in left:
                await _told(copy, self._judge.judge_again(copy, patience=2.0**tries))
            for copy in self._judge.unfinished():
                await _told(copy, self._judge.go_on(copy))


async def _told(copy: str, judging: Awaitable[None]) -> None:
    try:
        await judging
    except WorkerDied:
        pass  # its slot starts it again, and has it judged
    # A verdict is an extra: whatever goes wrong over it is told, and the copy serves as it did.
    except Exception as error:
        log.error("copy not judged copy=%s", copy, exc_info=error)
