"""XML-RPC from the side that calls: beside the servers of the standard library, and beside hostile ones."""

from __future__ import annotations

import copy
import datetime
import http.client
import xmlrpc.client
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.errors import RemoteProtocolError
from skitai.was._rpc import CONTENT_TYPE, RpcCall, read_answer, read_answers
from tests.live.upstreams import xmlrpc_server

Read = Callable[[bytes], Any]


@dataclass
class Result:
    data: Any = None
    error: Exception | None = None


@dataclass
class Call:
    """Answered when it is made, read by who waits."""

    bodies: list[bytes]
    read: Read
    waited: list[float | None] = field(default_factory=list)
    cancelled: bool = False

    def _results(self) -> Iterator[Result]:
        for body in self.bodies:
            try:
                yield Result(self.read(body))
            except (xmlrpc.client.Fault, RemoteProtocolError) as error:
                yield Result(error=error)

    def getwait(self, timeout: float | None = None) -> Result:
        self.waited.append(timeout)
        (result,) = self._results()
        return result

    def getswait(self, timeout: float | None = None) -> list[Result]:
        self.waited.append(timeout)
        return list(self._results())

    def cancel(self) -> None:
        self.cancelled = True

    def __await__(self) -> Generator[Any, None, Result]:
        yield from ()
        return self.getwait()


class MapCall(Call):
    def getswait(self, timeout: float | None = None, need: int = 0) -> list[Result]:
        return super().getswait(timeout)[: need or None]

    def __iter__(self) -> Iterator[Result]:
        return self._results()


class Sender:
    """A `Start`: posts to each of ``ports``, and keeps what was sent."""

    def __init__(self, *ports: int) -> None:
        self._ports = ports
        self.sent: list[bytes] = []

    def __call__(self, document: bytes, read: Read) -> Call:
        self.sent.append(document)
        make = Call if len(self._ports) == 1 else MapCall
        return make([self._post(port, document) for port in self._ports], read)

    def _post(self, port: int, document: bytes) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/RPC2", document, {"Content-Type": CONTENT_TYPE})
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with xmlrpc_server() as port:
        yield port


@pytest.fixture
def sender(port: int) -> Sender:
    return Sender(port)


@pytest.fixture
def s(sender: Sender) -> RpcCall:
    return RpcCall(sender)


# -- calling -----------------------------------------------------------------------------------


def test_a_call_leaves_at_once_and_is_waited_for_later(s, sender):
    call = s.divide(10000, 5000)
    assert len(sender.sent) == 1
    assert s.getwait(5).data == 2
    assert call.waited == [5]


def test_names_have_dots(s):
    s.math.sum(1, 2, 3)
    assert s.getwait().data == 6


def test_any_name_can_be_called(s):
    s["getwait"]()
    assert s.getwait().data == "a procedure"
    with pytest.raises(xmlrpc.client.Fault, match='method "a<&>b" is not supported'):
        raise RpcCall(s._start)["a<&>b"]().getwait().error
    with pytest.raises(ValueError, match="is no name of a method"):
        s["\0"]()


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -(2**31), 2**31 - 1, 1.5, "", "<가 & 'x'>\t\n", b"\x00\xff"),
        *([], [1, "a", [None]], {}, {"a": {"가": [1]}}, datetime.datetime(2026, 11, 23, 12, 30, 59)),
    ],
)
def test_values_there_and_back(s, value):
    s.echo(value)
    back = s.getwait().data
    assert (back, type(back)) == (value, type(value))


def test_a_carriage_return_leaves_as_one(s, sender):
    """The server's own is lost on its way back: read as a line end (XML 1.0 section 2.11)."""
    s.echo("a\rb")
    assert b"a&#13;b" in sender.sent[0]


def test_several_calls_are_several_requests(s, sender):
    first, second = s.echo(1), s.divide(1, 0)
    assert len(sender.sent) == 2
    assert first.getwait().data == 1
    results = s.getswait(3)
    assert results[0].data == 1
    assert isinstance(results[1].error, xmlrpc.client.Fault)
    assert first.waited[1:] == second.waited == [3]
    with pytest.raises(ValueError, match="2 calls were made, and getwait takes one: use getswait"):
        s.getwait()
    s.cancel()
    assert first.cancelled
    assert second.cancelled


def test_members_of_a_cluster_answer_each(port):
    s = RpcCall(Sender(port, port, port))
    s.echo("x")
    assert [result.data for result in s.getswait()] == ["x"] * 3
    assert [result.data for result in s] == ["x"] * 3
    assert len(s.getswait(need=2)) == 2


def test_it_can_be_awaited(s):
    async def handler() -> Result:
        s.echo(7)
        return await s

    steps = handler()
    with pytest.raises(StopIteration) as end:
        steps.send(None)
    assert end.value.value.data == 7


def test_waiting_for_nothing_is_a_mistake(s):
    for wait in (s.getwait, s.getswait, s.__await__, lambda: list(s)):
        with pytest.raises(ValueError, match="nothing was called yet"):
            wait()
    with pytest.raises(ValueError, match="nothing is collected"):
        s()


@pytest.mark.parametrize(
    ("value", "what"),
    [(2**31, "an int beyond 32 bits"), (object(), "object"), ({1: 2}, "a dict with a key of type int")],
)
@pytest.mark.parametrize("multicall", [False, True])
def test_what_cannot_be_carried_is_named_and_not_sent(sender, multicall, value, what):
    s = RpcCall(sender, multicall=multicall)
    with pytest.raises(TypeError, match=rf"^a\.b\(\) was given {what}, which XML-RPC cannot carry$"):
        s.a.b([value])
    with pytest.raises(TypeError, match="keyword"):
        s.a.b(name=1)
    assert not sender.sent


def test_what_others_look_for_in_any_object_is_no_procedure(s):
    with pytest.raises(AttributeError, match=r"is called by s\['_hidden'\]"):
        _ = s._hidden
    with pytest.raises(AttributeError, match=r"is called by s\['a\._hidden'\]"):
        _ = s.a._hidden
    assert not hasattr(s, "__deepcopy__")
    assert copy.copy(s)._calls is s._calls


# -- faults, and many at once ------------------------------------------------------------------


def test_a_fault_is_the_exception(s):
    fault = s.nothing().getwait().error
    assert isinstance(fault, xmlrpc.client.Fault)
    assert 'method "nothing" is not supported' in fault.faultString


def test_a_multicall_is_one_request(sender):
    s = RpcCall(sender, multicall=True)
    assert s.echo([1]) is s.divide(1, 0) is s.math.sum(1, 2) is None
    assert not sender.sent
    one, fault, three = s.getwait(5).data
    assert (one, three) == ([1], 3)
    assert isinstance(fault, xmlrpc.client.Fault)
    assert "ZeroDivisionError" in fault.faultString
    assert s.getwait(5).data[0] == [1]
    assert len(sender.sent) == 1


def test_a_multicall_can_be_sent_before_it_is_waited_for(sender):
    s = RpcCall(sender, multicall=True)
    s.echo(1)
    assert s().getwait().data == [1]
    s.echo(2)
    s.echo(3)
    assert [result.data for result in s.getswait()] == [[1], [2, 3]]
    assert len(sender.sent) == 2


# -- hostile answers ---------------------------------------------------------------------------

ANSWER = "<methodResponse><params><param><value>%s</value></param></params></methodResponse>"


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + ANSWER % "&b;",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + ANSWER % "",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + ANSWER % "&a;",
        "<!DOCTYPE x [<!ENTITY % a SYSTEM 'http://127.0.0.1:1/'> %a;]>" + ANSWER % "",
    ],
)
def test_a_document_type_is_refused_before_it_is_read(document):
    with pytest.raises(RemoteProtocolError, match="answer to an XML-RPC call has a document type"):
        read_answer(document.encode())


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "is no XML: no element found"),
        ("<html><body>Please log in<br></body></html>", "is no XML: mismatched tag"),
        ("<html/>", "is no XML-RPC"),
        ((ANSWER % "x")[:-1], "is no XML"),
        (ANSWER % "&undefined;", "is no XML"),
        (ANSWER % "<int>x</int>", "is no XML-RPC"),
        (ANSWER % f"<int>{'9' * 5000}</int>", "is no XML-RPC"),
        (ANSWER % "<nothing>1</nothing>", "is no XML-RPC"),
        (ANSWER % "<struct><member><name>a</name></member></struct>", "is no XML-RPC"),
        (ANSWER % "<dateTime.iso8601>yesterday</dateTime.iso8601>", "is no XML-RPC"),
        ("<methodResponse><fault><value><int>1</int></value></fault></methodResponse>", "is no XML-RPC"),
        (xmlrpc.client.dumps((1,), "call"), "is a call"),
    ],
)
def test_what_is_no_answer_is_the_peers_mistake(document, why):
    with pytest.raises(RemoteProtocolError, match=f"^the answer to an XML-RPC call {why}") as caught:
        read_answer(document.encode())
    assert caught.value.status == 502


def test_depth_is_read_and_let_go():
    depth = 50_000
    deep = "<array><data><value>" * depth + "</value></data></array>" * depth
    value = read_answer((ANSWER % deep).encode())
    for _ in range(depth - 1):
        (value,) = value
    assert value == [""]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"a": 1}, "was not answered with an array of 2 results"),
        ([[1]], "was not answered with an array of 2 results"),
        ([[1], 2], "neither a value nor a fault"),
        ([[1], []], "neither a value nor a fault"),
        ([[1], [1, 2]], "neither a value nor a fault"),
        ([[1], {"faultCode": 1}], "neither a value nor a fault"),
    ],
)
def test_an_answer_that_does_not_fit_a_multicall(answers, why):
    document = xmlrpc.client.dumps((answers,), methodresponse=True)
    with pytest.raises(RemoteProtocolError, match=why):
        read_answers(document.encode(), 2)


TAGS = (
    *("methodResponse", "methodName", "params", "param", "value", "array", "data", "struct", "member"),
    *("name", "int", "base64", "nil", "fault", "bigdecimal"),
)
PIECES = st.sampled_from(
    [
        *(f"<{tag}>" for tag in TAGS),
        *(f"</{tag}>" for tag in TAGS),
        *("faultCode", "faultString", "1", "&#0;", "<!--", "-->", "<![CDATA[", "]]>", "\ud55c"),
        "<?xml version='1.0' encoding='utf-16'?>",
    ]
)
DOCUMENTS = st.lists(PIECES, max_size=20).map("".join)


@given(DOCUMENTS | DOCUMENTS.map(lambda piece: ANSWER % piece) | st.text())
def test_no_answer_does_more_than_it_should(document):
    for read in (read_answer, lambda body: read_answers(body, 1)):
        try:
            read(document.encode("utf-8", "surrogatepass"))
        except (RemoteProtocolError, xmlrpc.client.Fault):
            continue
