"""HTTP/1.1 with the limits that uvicorn leaves to a proxy: large or slow heads, clients that do not read, crowds."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import HeadersTooLarge, MalformedRequest, RequestTimeout, TooManyConnections, UrlTooLong, XqgError
from app.limits import HttpLimits
from app.middleware import JSON_HEADERS
from app.problems import problem_from, respond, slug_of

_LOG = logging.getLogger(__name__)
_MAX_HEADERS = 100
_SPARE_CONNECTIONS = 64  # beyond the limit, for probes and metrics
_CROWDED_S = 1.0  # in a crowd: for a head on a spare connection, and to be idle before another takes the place


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with limits on the head of a request and an orderly end.

    The body's limits are the middleware's, which can answer with the request's id.  uvicorn has no
    seam for any of this, so callbacks of the parser and of the transport are extended here.
    """

    def __init__(self, *args: Any, limits: HttpLimits, refused: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits, self._refused = limits, refused
        self._in_head = False  # between a request's first byte and its blank line
        self._unfinished_bytes = 0  # of a head, or of trailers, which the parser keeps until they are whole
        self._progressed = False  # within the bytes at hand
        self._crowded = False
        self._head_s = limits.timeout_s
        self._idle_since_s = self.loop.time()
        self._ending = False  # what still comes is thrown away
        self._refusal: XqgError | None = None
        self._patience: asyncio.TimerHandle | None = None  # with a client that sends
        self._reader_patience: asyncio.TimerHandle | None = None  # with one that should read
        self.access_log = False  # its lines hold questions; uvicorn turns it on wherever its logger has a handler

    # -- the transport's callbacks ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._for_cycles = SimpleNamespace(write=transport.write, is_closing=transport.is_closing, close=self._end)
        self._crowded = len(self.connections) > self._limits.connections and not self._make_room()
        if self._crowded:
            self._head_s = min(_CROWDED_S, self._limits.timeout_s)
        if self._crowded and len(self.connections) > self._limits.connections + _SPARE_CONNECTIONS:
            self._write_problem(TooManyConnections("too many clients are connected; come back later"))
            self._close()
            return
        self._wait(self._head_is_late, self._head_s)

    def _make_room(self) -> bool:
        """Hang up on whoever has asked nothing for the longest; False if everyone is busy, or was just now."""
        latest_s = self.loop.time() - _CROWDED_S  # what is idle for less may have a request on its way
        others = cast(set[BoundedHttp], self.connections)
        idle = [other for other in others if other._is_idle and other._idle_since_s < latest_s]
        if idle:
            min(idle, key=lambda other: other._idle_since_s)._close()
        return bool(idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._reader_patience is not None:
            self._reader_patience.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._progressed = False
        super().data_received(data)
        if self._ending:  # refused within
            return
        self._unfinished_bytes = 0 if self._progressed else self._unfinished_bytes + len(data)
        self._refuse_the_endless()
        if (self._in_head or not self._answering) and self._patience is None:
            self._wait(self._head_is_late, self._head_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_patience = self.loop.call_later(self._limits.timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._reader_patience is not None:
            self._reader_patience.cancel()
            self._reader_patience = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        if self._answering:
            self.cycle.keep_alive = False
        else:
            self._close()

    # -- the parser's callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["crowded"] = self._crowded
        self._in_head = self._progressed = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer, which must not pass for a header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) > self._limits.url_bytes:
            self._refusal = self._too_long_url()
        elif (
            len(self.headers) > _MAX_HEADERS
            or sum(len(name) + len(value) for name, value in self.headers) > self._limits.header_bytes
        ):
            self._refusal = self._too_large_headers()
        if self._refusal is not None:
            raise ValueError("over a limit")  # stops the parser, which leads to send_400_response
        super().on_headers_complete()
        self._in_head = False
        self._stop_waiting()
        self.cycle.transport = cast(asyncio.Transport, self._for_cycles)
        if self.parser.should_upgrade():  # to what we do not speak; the parser reads nothing after it
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._progressed = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._progressed = True

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a client may offer an upgrade, and a server may pass it over."""

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal or MalformedRequest("this is no HTTP/1.1 request"))

    def on_response_complete(self) -> None:
        self._idle_since_s = self.loop.time()
        if self._ending and not self.pipeline:
            self.server_state.total_requests += 1
        else:
            super().on_response_complete()

    # -- refusing and ending ---------------------------------------------------------------------

    def _head_is_late(self) -> None:
        self._patience = None
        if self._answering:
            self._wait(self._head_is_late, self._head_s)  # it waits for our answer, not we for it
        elif self._in_head:
            self._refuse(RequestTimeout(f"the headers did not arrive within {self._head_s:g} s"))
        else:
            self._close()

    def _refuse_the_endless(self) -> None:
        if self._in_head:
            if self._unfinished_bytes > self._limits.url_bytes + self._limits.header_bytes:
                too_long = len(self.url) > self._limits.url_bytes
                self._refuse(self._too_long_url() if too_long else self._too_large_headers())
        elif self._answering and self.cycle.more_body and self._unfinished_bytes > self._limits.header_bytes:
            self._refuse(self._too_large_headers())

    def _too_long_url(self) -> XqgError:
        return UrlTooLong(f"the URL is longer than {self._limits.url_bytes:,} bytes; send the search by POST")

    def _too_large_headers(self) -> XqgError:
        return HeadersTooLarge(
            f"the headers are more than {_MAX_HEADERS} or larger than {self._limits.header_bytes:,} bytes; send fewer"
        )

    def _refuse(self, error: XqgError) -> None:
        """Answer a request that cannot be read, and end the connection."""
        cycle = self.cycle  # the latest; earlier ones may be under way before it
        if self._answering:
            if self._in_head or not cycle.more_body:  # what came before is answered first, and nothing after
                cycle.keep_alive = False
                self._ending = True
                return
            cycle.disconnected = True  # its own body is broken; nobody need answer it any more
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self._close()
                return
        self._write_problem(error)
        self._end()

    def _write_problem(self, error: XqgError) -> None:
        request_id = uuid.uuid4().hex
        problem = problem_from(error, request_id)
        self._refused(slug_of(problem))
        told = {"status": problem.status, "problem": slug_of(problem), "request_id": request_id}
        _LOG.info("refused before it was read: %s", problem.detail, extra=told)
        answer = respond(problem, error.retry_after_s)
        answer.headers.update(JSON_HEADERS | {"Connection": "close", "X-Request-ID": request_id})
        head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], head, b"\r\n", bytes(answer.body)]))

    def _end(self) -> None:
        """Close once the client has had time to read: a socket closed on unread input resets, and takes the
        answer with it.  So say that nothing more comes, and throw away what does."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        unread = self._ending or self._in_head or self.cycle is None or self.cycle.more_body or self.pipeline
        self._ending = True
        if self.pipeline:  # never to be answered
            self.cycle.disconnected = True
            self.pipeline.clear()
        if not unread:
            self._close()
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._wait(self.transport.abort)

    def _close(self) -> None:
        """Close with a limit: alone, the transport waits for ever for its last bytes to be read."""
        self._unset_keepalive_if_required()
        self.transport.close()
        self._wait(self.transport.abort)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.disconnected

    @property
    def _is_idle(self) -> bool:
        """It owes nobody anything: no request is under way or begun, and no answer unread."""
        begun = self._answering or (self._in_head and not self._ending)
        return not (begun or self.transport.is_closing() or self.transport.get_write_buffer_size())

    def _wait(self, then: Any, limit_s: float | None = None) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self._limits.timeout_s if limit_s is None else limit_s, then)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
