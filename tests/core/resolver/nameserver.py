"""A name server on loopback, over UDP and TCP, that may be slow, silent or a liar."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

__all__ = ["NameServer", "Question", "Trick", "late", "liar", "only_from", "refusing", "silent", "truncated"]


class Question(NamedTuple):
    name: str
    kind: str
    transport: str


#: From the question and the true answer to the datagrams that are sent, in order.
Trick = Callable[["Question", dns.message.Message], Iterator[bytes]]

_MOST_ALIASES = 20


class NameServer:
    """``add`` what it knows; ``tricks`` by name say how it misbehaves."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.questions: list[Question] = []
        self.tricks: dict[str, Trick] = {}
        #: Of negative answers, as the zone has it (RFC 2308).
        self.negative_ttl = 0
        self._records: dict[tuple[str, str], dns.rrset.RRset] = {}
        self._udp, self._tcp = _both(host, self)
        self.port: int = self._udp.server_address[1]
        for server in (self._udp, self._tcp):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def add(self, name: str, kind: str, *values: str, ttl: int = 300) -> None:
        self._records[name, kind] = dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *values)

    def asked(self, name: str, kind: str = "A") -> int:
        """How often it was asked for this."""
        return sum(question[:2] == (name, kind) for question in self.questions)

    def close(self) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def answers(self, data: bytes, transport: str) -> Iterator[bytes]:
        request = dns.message.from_wire(data)
        (asked,) = request.question
        name = asked.name.to_text(omit_final_dot=True).lower()
        question = Question(name, dns.rdatatype.to_text(asked.rdtype), transport)
        self.questions.append(question)
        reply = self._true_answer(request, question)
        trick = self.tricks.get(name)
        if trick is None:
            yield reply.to_wire(max_size=65535)
        else:
            yield from trick(question, reply)

    def _true_answer(self, request: dns.message.Message, question: Question) -> dns.message.Message:
        reply = dns.message.make_response(request, recursion_available=True)
        owner = question.name
        for _ in range(_MOST_ALIASES):
            alias = self._records.get((owner, "CNAME"))
            if alias is None:
                break
            reply.answer.append(alias)
            owner = alias[0].target.to_text(omit_final_dot=True)
        found = self._records.get((owner, question.kind))
        if found is not None:
            reply.answer.append(found)
            return reply
        if not any(name == owner for name, _ in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if self.negative_ttl:
            times = f"1 {self.negative_ttl} {self.negative_ttl} {self.negative_ttl} {self.negative_ttl}"
            reply.authority.append(
                dns.rrset.from_text("test.", self.negative_ttl, "IN", "SOA", f"ns.test. root.test. {times}")
            )
        return reply


class _UDP(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], owner: NameServer) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.owner = owner
        super().__init__(address, _Datagram)


class _TCP(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: NameServer) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.owner = owner
        super().__init__(address, _Stream)


def _both(host: str, owner: NameServer) -> tuple[_UDP, _TCP]:
    """On one port, which is free of both."""
    while True:
        udp = _UDP((host, 0), owner)
        try:
            return udp, _TCP((host, udp.server_address[1]), owner)
        except OSError:
            udp.server_close()


class _Datagram(socketserver.BaseRequestHandler):
    server: _UDP

    def handle(self) -> None:
        data, sock = self.request
        for answer in self.server.owner.answers(data, "UDP"):
            try:
                sock.sendto(answer, self.client_address)
            except OSError:
                return  # the test is over


class _Stream(socketserver.StreamRequestHandler):
    server: _TCP

    def handle(self) -> None:
        while len(head := self.rfile.read(2)) == 2:
            data = self.rfile.read(struct.unpack("!H", head)[0])
            for answer in self.server.owner.answers(data, "TCP"):
                self.wfile.write(struct.pack("!H", len(answer)) + answer)


# -- tricks ---------------------------------------------------------------------------------


def silent(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
    yield from ()


def late(seconds: float) -> Trick:
    def answer(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        time.sleep(seconds)
        yield reply.to_wire(max_size=65535)

    return answer


def only_from(kind: str, trick: Trick) -> Trick:
    """The trick for questions of this kind, the truth for others."""

    def answer(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        if question.kind == kind:
            yield from trick(question, reply)
        else:
            yield reply.to_wire(max_size=65535)

    return answer


def refusing(rcode: dns.rcode.Rcode) -> Trick:
    def answer(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        reply.answer.clear()
        reply.set_rcode(rcode)
        yield reply.to_wire(max_size=65535)

    return answer


def truncated(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
    """By UDP nothing but the word that there is more."""
    if question.transport == "UDP":
        reply.answer.clear()
        reply.flags |= dns.flags.TC
    yield reply.to_wire(max_size=65535)


def liar(*lies: Callable[[Question, dns.message.Message], bytes]) -> Trick:
    """First the lies, then the truth."""

    def answer(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        for lie in lies:
            yield lie(question, dns.message.from_wire(reply.to_wire(max_size=65535)))
        yield reply.to_wire(max_size=65535)

    return answer
