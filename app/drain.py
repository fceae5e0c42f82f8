"""DrainingServer: after SIGTERM not ready first, then closed to new connections, then gone."""

import asyncio
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

_LOOK_S = 0.1


class DrainingServer(uvicorn.Server):
    """Goes on listening for ``delay_s`` after the signal, with ``app.state.draining`` set.

    Load balancers take a while to notice that a service is not ready; a port that closes at once
    fails what they send meanwhile.  A second signal ends the wait.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, delay_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._delay_s = delay_s
        self._hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._hurried = self.should_exit
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.draining = True
        closes_at = time.monotonic() + self._delay_s
        while not self._hurried and (left_s := closes_at - time.monotonic()) > 0:  # noqa: ASYNC110, a signal sets it
            await asyncio.sleep(min(left_s, _LOOK_S))
        await super().shutdown(sockets)
