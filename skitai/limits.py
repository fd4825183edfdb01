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
    connections_max: int = _limit(
        0, "connections", "open at once; 0 derives it from the descriptor limit and the memory"
    )
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

    # Requests of ours: what handlers ask others by `was`
    call_timeout: float = _limit(
        10.0,
        "seconds",
        "from a call to its complete answer, where neither the call nor who waits says otherwise",
    )
    call_connect_timeout: float = _limit(
        5.0, "seconds", "to find an address, connect and shake hands; 0 is no limit but that of the call"
    )
    call_first_byte_timeout: float = _limit(
        0.0, "seconds", "from the last byte of a request to the first one of its answer; 0 as above"
    )
    call_between_bytes_timeout: float = _limit(
        0.0, "seconds", "between two pieces of what is sent or received; 0 as above"
    )
    call_interim_max: int = _limit(
        100, "responses", "interim responses (1xx) before one answer; more break the call"
    )
    call_response_max: int = _limit(
        64 << 20, "bytes", "longest answer that is kept in memory, decoded; a longer one is an error"
    )
    call_connections_per_host_max: int = _limit(
        128, "connections", "to one scheme, host and port; further calls wait their turn"
    )
    call_connections_max: int = _limit(1024, "connections", "to all of them together; hosts take turns")
    call_queue_max: int = _limit(10000, "calls", "waiting for a connection; more fail at once")
    call_keep_alive: float = _limit(
        15.0, "seconds", "an idle connection is kept for so long, or as the server says if that is shorter"
    )

    # Requests that are passed on to the members of a cluster; they have the connections above
    relay_between_bytes_timeout: float = _limit(
        60.0,
        "seconds",
        "between two pieces of a request or an answer that is passed on, where it is the member who is "
        "slow; then it is given up; 0 is no limit",
    )
    relay_buffer_max: int = _limit(
        65536,
        "bytes",
        "that wait until a member takes them, or a client; of a request's body that has left as many are "
        "kept, so that another member can be asked",
    )
    tunnel_idle_timeout: float = _limit(
        600.0,
        "seconds",
        "without a byte, either way, behind CONNECT or an upgrade that was passed on; then it is closed",
    )
    proxy_requests_per_client_max: int = _limit(
        256,
        "requests",
        "and tunnels of one client address that the forward proxy has under way; more are 429",
    )

    # Statements of ours: what handlers ask databases by `was.db`; their time is call_timeout
    db_connections_max: int = _limit(
        10,
        "connections",
        "to one database, of each process, for whatever is done there; who comes then waits",
    )
    db_connections_min: int = _limit(
        0,
        "connections",
        "to one database that was asked, of each process, that are kept though nobody uses them",
    )
    db_connect_timeout: float = _limit(
        5.0, "seconds", "to find an address, connect and log in; 0 is no limit but that of the statement"
    )
    db_keep_alive: float = _limit(60.0, "seconds", "a connection that nobody uses is kept for so long")
    db_queue_max: int = _limit(10000, "statements", "waiting for a connection; more fail at once")
    db_rows_max: int = _limit(
        100_000, "rows", "of one result; more is an error, before they are made objects of Python"
    )
    db_response_max: int = _limit(
        64 << 20,
        "bytes",
        "of one result as it comes; about there it is given up, and what has come is thrown away",
    )
    db_transaction_max: float = _limit(
        60.0, "seconds", "longest transaction; then it is rolled back, whatever its handler does"
    )

    # Names of hosts that we ask
    dns_timeout: float = _limit(
        4.0,
        "seconds",
        "from asking where a host is to knowing it, all name servers and attempts together; "
        "less than call_connect_timeout, so that the error names the culprit",
    )
    dns_ttl_min: float = _limit(
        1.0,
        "seconds",
        "an answer is kept for so long though its servers say less, and so is a failure of theirs (RFC 9520)",
    )
    dns_ttl_max: float = _limit(3600.0, "seconds", "longest time for which an answer is kept")
    dns_ttl_default: float = _limit(
        30.0, "seconds", "for which an answer of the system is kept, which tells no time to live"
    )
    dns_negative_ttl: float = _limit(
        5.0, "seconds", "for which it is believed that a host does not exist, or has no address"
    )
    dns_cache_max: int = _limit(
        1000, "names", "whose answers are kept; the one that was not used for longest goes; 0 keeps none"
    )
    dns_lookups_max: int = _limit(
        100, "names", "that are being asked for at once; further ones wait their turn within dns_timeout"
    )
    dns_threads: int = _limit(
        8, "threads", "that wait for the system's answers, where it is asked and not the name servers"
    )

    # WebSockets
    ws_message_max: int = _limit(
        16 << 20, "bytes", "longest message of a WebSocket, inflated; a longer one closes it with 1009"
    )
    ws_queue_max: int = _limit(
        1 << 20,
        "bytes",
        "waiting for a slow peer of a WebSocket; nothing more is taken to be sent to it, nor read from it",
    )
    ws_ping_interval: float = _limit(
        20.0, "seconds", "without a byte from the peer of a WebSocket, then it gets a ping; 0 sends none"
    )
    ws_ping_timeout: float = _limit(
        20.0, "seconds", "from a ping to anything of the peer; then the WebSocket is cut; 0 waits for ever"
    )
    ws_idle_timeout: float = _limit(
        0.0, "seconds", "without a message, either way, then a WebSocket is closed with 1000; 0 is no limit"
    )
    ws_close_timeout: float = _limit(
        10.0, "seconds", "from our close of a WebSocket to the end of the connection; then it is cut"
    )
    ws_loops_max: int = _limit(
        256,
        "threads",
        "that WebSocket handlers keep for themselves, where they are not parked; who comes then gets 503",
    )
    ws_bus_queue_max: int = _limit(
        8 << 20,
        "bytes",
        "said in rooms and waiting for one process, or for the bus; what is said then that process gets from "
        "histories or not at all, and whoever waits for the bus is told so",
    )
    ws_history_max: int = _limit(
        64 << 20, "bytes", "histories of all rooms of an instance; beyond it the oldest messages go"
    )
    ws_deflate_min: int = _limit(
        256, "bytes", "shorter messages of a WebSocket are not compressed (permessage-deflate)"
    )
    ws_deflate_window: int = _limit(
        12,
        "bits",
        "window of a compressed WebSocket, 9 to 15, each way where the peer lets us say; 2^(bits + 3) bytes "
        "to send, 2^bits to receive; 0 compresses nothing",
    )

    # E-mails, as `was.email` writes them
    mail_size_max: int = _limit(
        25 << 20, "bytes", "longest e-mail as it is sent, attachments encoded; servers seldom take more"
    )
    mail_recipients_max: int = _limit(1000, "addresses", "that one e-mail may go to, copies included")
    mail_queue_max: int = _limit(100000, "e-mails", "waiting to be delivered; more are refused")
    mail_spool_total_max: int = _limit(4 << 30, "bytes", "all e-mails that wait; beyond it more are refused")

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
