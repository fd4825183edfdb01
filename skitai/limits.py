"""Every limit of a server instance, and of a Saddle application: its name, default, unit and reason.

One table for both builds, for the configuration (each field of `Limits` is a key of ``[server]``
with this name) and for the documentation.  Reaching a limit has a status of its own
and a line in the log.  Zero means "no limit" only where the text says so.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

__all__ = ["FormLimits", "Limits"]


def _limit(default: float, unit: str, reason: str) -> Any:
    return field(default=default, metadata={"unit": unit, "reason": reason})


@dataclass(frozen=True, slots=True)
class Limits:
    """Immutable; made once for an instance, read from any thread."""

    # The head of a request
    request_line_max: int = _limit(
        8192, "bytes", "longest request line; longer is 414 (RFC 9112 section 3 asks for 8000)"
    )
    header_block_max: int = _limit(65536, "bytes", "longest header block; longer is 431")
    header_fields_max: int = _limit(100, "fields", "most header fields; more is 431")
    header_timeout: float = _limit(
        10.0, "seconds", "from the first byte of a request to the end of its head; then 408"
    )

    # The body of a request
    chunk_line_max: int = _limit(1024, "bytes", "longest chunk size line with its extensions; longer is 400")
    chunk_extensions_max: int = _limit(
        16384,
        "bytes",
        "all chunk extensions of one body together; more is 413 (RFC 9112 section 7.1.1 asks for a bound)",
    )
    body_max: int = _limit(1 << 30, "bytes", "longest request body; longer is 413")
    body_memory_max: int = _limit(
        262144, "bytes", "longest body kept in memory; a longer one goes to spool_dir"
    )
    spool_total_max: int = _limit(4 << 30, "bytes", "all spooled bodies together; beyond it new ones get 507")
    body_rate_min: int = _limit(
        500, "bytes/second", "slowest upload after body_rate_grace; slower is 408; 0 is no limit"
    )
    body_rate_grace: float = _limit(
        10.0, "seconds", "time before body_rate_min is looked at, and between two looks"
    )
    drain_max: int = _limit(
        262144,
        "bytes",
        "unread rest of a refused body that is read to keep the connection; "
        "with more to come the connection is closed after the answer",
    )

    # The connection
    keep_alive: float = _limit(10.0, "seconds", "idle time between two requests, then closed")
    read_ahead_max: int = _limit(
        65536, "bytes", "pipelined requests read while one is being answered; then we stop reading"
    )
    write_queue_max: int = _limit(
        1 << 20, "bytes", "answer waiting for a slow client; an application is not asked for more"
    )
    send_stall_timeout: float = _limit(
        30.0, "seconds", "a client that takes no byte of its answer for so long is cut off"
    )
    linger_timeout: float = _limit(
        30.0,
        "seconds",
        "after refusing a body we go on reading for so long at most, so that the client "
        "sees our answer and not a reset (RFC 9112 section 9.6)",
    )
    linger_idle: float = _limit(5.0, "seconds", "the same, without a byte from the client")
    connections_max: int = _limit(0, "connections", "open at once; 0 derives it from the descriptor limit")
    handshake_timeout: float = _limit(
        10.0, "seconds", "from accept to the end of the TLS handshake; then closed"
    )
    connections_per_address_max: int = _limit(
        0, "connections", "open at once from one client address; 0 is no limit"
    )

    # Files
    ranges_max: int = _limit(
        64, "ranges", "of a file that one request may ask for; more are answered with the whole file"
    )

    listing_max: int = _limit(
        1000, "names", "of a folder that a listing looks at; it says that there are more"
    )

    error_page_max: int = _limit(
        256 << 10, "bytes", "page of error_pages; Skitai's own is sent for a longer one"
    )

    # Files that are kept ready (compiled build)
    file_cache_max: int = _limit(
        32 << 20,
        "bytes",
        "answers with files, with the content of small ones, that are kept ready to be sent again; "
        "0 keeps none",
    )
    file_cache_open_max: int = _limit(
        64, "descriptors", "larger files of these that are kept open; a part of what is reserved for files"
    )

    # The application
    response_timeout: float = _limit(
        10.0, "seconds", "from the complete request to the head of the response; then 503"
    )
    queue_max: int = _limit(1024, "requests", "waiting for a free thread; more get 503 with Retry-After")
    queue_timeout: float = _limit(
        10.0, "seconds", "longest wait for a free thread; then 503 with Retry-After"
    )
    coroutines_max: int = _limit(
        10000,
        "requests",
        "being answered by coroutines (async def) at once; more get 503 with Retry-After",
    )
    shutdown_timeout: float = _limit(
        30.0, "seconds", "requests under way may finish for so long when the server stops"
    )

    # The processes, where there is a master
    start_timeout: float = _limit(
        60.0, "seconds", "from the start of a worker until it is ready; then it is ended and counts as failed"
    )
    restart_delay_max: float = _limit(
        30.0,
        "seconds",
        "longest rest before a worker that keeps ending or failing is started again; it doubles up to here",
    )

    @classmethod
    def table(cls) -> tuple[Field[Any], ...]:
        """The fields in order, for configuration and documentation."""
        return fields(cls)


@dataclass(slots=True)
class FormLimits:
    """What a Saddle application takes of a body: ``app.limits``, so each application has its own.

    Set while the application is imported; a name that is none is an AttributeError.
    """

    form_max: int = _limit(
        5 << 20, "bytes", "a url-encoded form, or all texts of a multipart form together; more is 413"
    )
    form_fields_max: int = _limit(1000, "fields", "fields of one form; more is 413")
    upload_max: int = _limit(100 << 20, "bytes", "a multipart form with all its files; more is 413")
    upload_file_max: int = _limit(20 << 20, "bytes", "one file; more is 413")
    upload_files_max: int = _limit(100, "files", "files of one form; more is 413")
    json_max: int = _limit(5 << 20, "bytes", "a body that `was.request.json()` reads; more is 413")
    xmlrpc_max: int = _limit(5 << 20, "bytes", "an XML-RPC call, which is all in memory; more is 413")
    xmlrpc_calls_max: int = _limit(1000, "calls", "calls of one `system.multicall`; more is a fault")

    @classmethod
    def table(cls) -> tuple[Field[Any], ...]:
        """The fields in order, for documentation."""
        return fields(cls)
