"""One error tree for both halves of xQG, and the one table that turns it into HTTP answers.

Every message is written for the person who reads it: what is wrong, where, and what to do.
The offline commands print the message on one line and exit with ``exit_code``; the service
answers ``application/problem+json`` with the row of ``PROBLEMS`` that fits best.
"""

from dataclasses import dataclass


class XqgError(Exception):
    """Base of every error that this project raises on purpose."""

    exit_code = 1
    retry_after_s: float | None = None
    """When a caller may try again; ``Retry-After`` in HTTP."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


# -- what an operator gives: settings, bundles, indexes -----------------------------------------


class ConfigurationError(XqgError):
    """Options or settings that cannot work together."""

    exit_code = 2


class BundleError(ConfigurationError):
    """A bundle that is missing, damaged, or from another version."""


class ContractMismatch(ConfigurationError):
    """An index and an encoder that do not belong together."""

    retry_after_s = 1


# -- what a corpus or a queries file gives -------------------------------------------------------


class InputError(XqgError):
    """A line of an input file that would corrupt the index; names file and line."""

    exit_code = 3

    @classmethod
    def at(cls, path: object, line: int, problem: str, remedy: str) -> "InputError":
        return cls(f"{path}:{line}: {problem}; {remedy}")


class RunConflict(XqgError):
    """An output folder that holds another run, or that another process is writing."""

    exit_code = 4


class GeneratorUnavailable(XqgError):
    """A source of generated queries that does not answer, or gives nothing of use."""

    exit_code = 7


class ServiceUnavailable(XqgError):
    """A running service that a command asks, and that does not answer."""

    exit_code = 7


class OutOfSpace(XqgError):
    """The disk is full, or would be."""

    exit_code = 6


class VerificationError(XqgError):
    """What was written does not equal what was meant to be written."""

    exit_code = 5


class GateFailed(XqgError):
    """Retrieval that was measured, and is not what it is held to."""

    exit_code = 8


# -- what a caller of the service meets ----------------------------------------------------------


class InvalidRequest(XqgError):
    """A request that is well formed but cannot be answered as asked."""


class MalformedRequest(XqgError):
    """A body or a header that cannot be read."""


class CorsRefused(XqgError):
    """A page that may not call from a browser, or not in this way."""


class OriginRefused(XqgError):
    """A page that may not use the assistants' endpoint."""


class Unauthorized(XqgError):
    """No API key, or one that is not known."""


class RequestTimeout(XqgError):
    """The client was too slow in sending its headers or its body."""


class RequestTooLarge(XqgError):
    """A body over the limit."""


class UrlTooLong(XqgError):
    """A URL over the limit."""


class HeadersTooLarge(XqgError):
    """Too many headers, or too many bytes of them."""


class PassageNotFound(XqgError):
    """No passage has this docid."""


class Overloaded(XqgError):
    """The queue is full."""

    retry_after_s = 1


class TooManyConnections(XqgError):
    """More clients are connected than ``XQG_MAX_CONNECTIONS``."""

    retry_after_s = 1


class NotReady(XqgError):
    """No index that belongs to the encoder is open yet, or the service is draining."""

    retry_after_s = 1


class IndexUnavailable(XqgError):
    """The index does not answer."""

    retry_after_s = 1


class DeadlineExceeded(XqgError):
    """The request took longer than ``XQG_TIMEOUT_S``."""

    retry_after_s = 1


class ClientGone(XqgError):
    """The caller hung up; nobody reads the answer."""


class EncodingFailed(XqgError):
    """The encoder failed on the batch that this query was in."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the status table: HTTP status, stable type slug, title."""

    status: int
    slug: str
    title: str


PROBLEMS: dict[type[Exception], Problem] = {
    MalformedRequest: Problem(400, "malformed-request", "The request cannot be read"),
    CorsRefused: Problem(400, "cors-refused", "This page may not call so"),
    Unauthorized: Problem(401, "unauthorized", "An API key is needed"),
    OriginRefused: Problem(403, "origin-refused", "This page may not use the assistants' endpoint"),
    PassageNotFound: Problem(404, "passage-not-found", "No such passage"),
    RequestTimeout: Problem(408, "request-timeout", "The request took too long to arrive"),
    RequestTooLarge: Problem(413, "request-too-large", "The request body is too large"),
    UrlTooLong: Problem(414, "url-too-long", "The URL is too long"),
    HeadersTooLarge: Problem(431, "headers-too-large", "The headers are too large"),
    ClientGone: Problem(499, "client-gone", "The caller hung up"),
    InvalidRequest: Problem(422, "invalid-request", "The request is not valid"),
    Overloaded: Problem(429, "overloaded", "Too many queries are waiting"),
    ContractMismatch: Problem(503, "contract-mismatch", "Encoder and index do not belong together"),
    TooManyConnections: Problem(503, "too-many-connections", "Too many clients are connected"),
    NotReady: Problem(503, "not-ready", "The service is not ready"),
    IndexUnavailable: Problem(503, "index-unavailable", "The index does not answer"),
    DeadlineExceeded: Problem(504, "deadline-exceeded", "The search took too long"),
    EncodingFailed: Problem(500, "encoding-failed", "The query could not be embedded"),
    Exception: Problem(500, "internal-error", "Something went wrong in the service"),
}


def problem_of(error: Exception) -> Problem:
    """The most specific row of ``PROBLEMS`` for an error."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
