"""What can go wrong, as one tree under ``XqgError``."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import httpx

_SHOWN_CHARS = 200


class XqgError(Exception):
    """Base of every error that the client raises, but for arguments that cannot be sent (ValueError, TypeError)."""


class ServiceUnreachable(XqgError):
    """No answer: the name or the port is wrong, the connection broke, or the time was over."""


class UnexpectedAnswer(XqgError):
    """An answer in which the client cannot find what it asked for; often the base URL is another service's."""


class ServiceProblem(XqgError):
    """The service says no: a problem document (RFC 9457).

    Attributes:
        status: HTTP status.
        type: stable, as ``urn:xqg:problem:overloaded``; ``about:blank`` where a proxy answered.
        title, detail: what is wrong, and what to do.
        request_id: to look up in the service's log; None where a proxy answered.
        retry_after_s: when to come back, where that helps.
        errors: what is wrong with each field, ``{"field": …, "message": …}``.
    """

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002, RFC 9457's name
        title: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        errors: tuple[Mapping[str, str], ...] = (),
    ) -> None:
        # all of them, so that the exception survives pickling
        super().__init__(status, type, title, detail, request_id, retry_after_s, errors)
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.errors = errors

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.title}: {self.detail}{request}"

    @classmethod
    def read(cls, problem: Mapping[str, Any], retry_after_s: float | None = None) -> Self:
        """From a problem document.

        Raises:
            KeyError: it is none.
        """
        return cls(
            problem["status"],
            problem["type"],
            problem["title"],
            problem["detail"],
            problem["request_id"],
            retry_after_s,
            tuple(problem.get("errors", ())),
        )

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        """From an answer that is no success, whoever gave it."""
        retry_after_s = _retry_after_s(response.headers.get("retry-after"))
        try:
            return cls.read(response.json(), retry_after_s)
        except (ValueError, KeyError, TypeError):  # a proxy's page
            title = response.reason_phrase or "No problem document"
            detail = response.text[:_SHOWN_CHARS] or "the answer is empty"
            if response.has_redirect_location:  # often to https; a POST that follows one would become a GET
                detail = f"moved to {response.headers['location']}; check the base URL"
            request_id = response.headers.get("x-request-id")
            return cls(response.status_code, "about:blank", title, detail, request_id, retry_after_s)


def _retry_after_s(header: str | None) -> float | None:
    """Seconds from now; the header has seconds or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = email.utils.parsedate_to_datetime(header)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one of no time zone
        return None
