"""XML-RPC by the client of the standard library: README's sample, all types, faults, and bad input."""

from __future__ import annotations

import asyncio
import datetime
import io
import xmlrpc.client as rpc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.errors import HTTPError
from skitai.saddle import Saddle
from tests.saddle.asking import Reply, ask


def post(app: Saddle, data: bytes, target: str = "/", **environ: Any) -> Reply:
    return ask(app, target, "POST", data, **{"CONTENT_TYPE": "text/xml", **environ})


class Transport(rpc.Transport):
    """Calls an application in this process."""

    def __init__(self, app: Saddle, **environ: Any) -> None:
        super().__init__(use_builtin_types=True)
        self._app = app
        self._environ = environ

    def request(self, host: str, handler: str, request_body: bytes, verbose: bool = False) -> Any:
        reply = post(self._app, request_body, handler, **self._environ)
        if reply.code != 200:
            raise rpc.ProtocolError(handler, reply.code, reply.text, {})
        assert reply.headers["content-type"] == "text/xml; charset=utf-8"
        assert reply.headers["content-length"] == str(len(reply.body))
        parser, unmarshaller = self.getparser()
        parser.feed(reply.body)
        parser.close()
        return unmarshaller.close()


def client(app: Saddle, address: str = "http://a/", **environ: Any) -> rpc.ServerProxy:
    return rpc.ServerProxy(address, transport=Transport(app, **environ), allow_none=True)


@pytest.fixture
def app() -> Saddle:
    app = Saddle(__name__)

    @app.route("/add")
    def index(was, num1, num2):
        return num1 + num2

    app.route("/echo")(lambda was, value: value)
    app.route("/")(lambda was: "the page")
    return app


def refusal(app: Saddle, name: str, *args: Any, **environ: Any) -> rpc.Fault:
    with pytest.raises(rpc.Fault) as caught:
        getattr(client(app, **environ), name)(*args)
    return caught.value


# -- calling -----------------------------------------------------------------------------------


def test_the_sample_of_the_readme(app):
    assert client(app).add(10000, 5000) == 15000
    # Over plain HTTP the same function has texts, as of any query.
    assert ask(app, "/add?num1=1&num2=2").text == "12"


@pytest.mark.parametrize("address", ["http://a", "http://a/", "http://a/RPC2"])
def test_where_a_call_may_be_sent(app, address):
    assert client(app, address).add(1, 2) == 3


@pytest.mark.parametrize(
    ("target", "content_type"), [("/", "text/plain"), ("/", ""), ("/echo?value=x", "text/xml")]
)
def test_other_requests_are_none(app, target, content_type):
    assert ask(app, target, "POST", b"", CONTENT_TYPE=content_type).text in ("the page", "x")


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -(2**31), 2**31 - 1, 1.5, "", "<가 & 'x'>\t\n", b"\x00\xff"),
        *([], [1, "a", [None]], {}, {"a": {"가": [1]}}, datetime.datetime(2026, 11, 23, 12, 30, 59)),
    ],
)
def test_values_there_and_back(app, value):
    back = client(app).echo(value)
    assert (back, type(back)) == (value, type(value))


def test_names_with_dots_are_paths(app):
    app.route("/math/sum")(lambda was, a, b=1: a + b)
    app.route("/hello/<name>")(lambda was, name, greeting="Hello": f"{greeting}, {name}")
    assert client(app).math.sum(1) == 2
    assert client(app).math.sum(1, 2) == 3
    assert client(app).hello.Hans_Roh() == "Hello, Hans Roh"
    assert client(app).hello.Hans_Roh("Hi") == "Hi, Hans Roh"


def test_the_query_of_the_address_gives_arguments_too(app):
    app.route("/greet")(lambda was, name, token, times: f"{name} {token} {times}")
    assert client(app, "http://a/?token=t&int:times=2").greet("Hans") == "Hans t 2"
    again = refusal(app, "add", 1, 2, QUERY_STRING="num1=3")
    assert (again.faultCode, "'num1'" in again.faultString) == (-32602, True)


def test_hooks_run_around_each_call(app):
    steps: list[str] = []
    app.before_request(lambda was: steps.append("before"))
    app.after_request(lambda was: steps.append("after"))
    app.failed_request(lambda was: steps.append("failed"))
    app.teardown_request(lambda was: steps.append("teardown"))
    calls = rpc.MultiCall(client(app))
    calls.add(1, 2)
    calls.add(1)
    results = calls()
    assert results[0] == 3
    with pytest.raises(rpc.Fault):
        results[1]
    assert steps == ["before", "after", "teardown", "before", "failed", "teardown"]


def test_a_hook_may_answer_in_its_place(app):
    app.before_request(lambda was: "not you")
    assert client(app).add(1, 2) == "not you"


def test_async_functions_are_procedures(app):
    @app.route("/later")
    async def later(was, value):
        await asyncio.sleep(0)
        return value

    assert client(app).later(7) == 7


# -- faults ------------------------------------------------------------------------------------


def test_faults_say_whose_they_are(app):
    app.route("/get", methods=["GET"])(lambda was: "")

    @app.route("/fault")
    def fault(was):
        raise rpc.Fault(4, "too many")

    @app.route("/conflict")
    def conflict(was):
        raise HTTPError(409, "Somebody was faster.")

    @app.route("/sent")
    def sent(was):
        was.response.send_error(503, why="Later.")
        return ""

    def code_and_text(name: str, *args: Any) -> tuple[int, str]:
        fault = refusal(app, name, *args)
        return fault.faultCode, fault.faultString

    assert code_and_text("nothing")[0] == code_and_text("get")[0] == code_and_text("system.x")[0] == -32601
    assert code_and_text("add", 1) == (-32602, "Missing: 'num2'.")
    assert code_and_text("add", 1, 2, 3) == (-32602, "3 parameters are given, where 2 are taken.")
    assert code_and_text("system.methodHelp")[0] == -32602
    assert code_and_text("fault") == (4, "too many")
    assert code_and_text("conflict") == (409, "Somebody was faster.")
    assert code_and_text("sent") == (503, "Later.")


def test_a_failure_is_logged_and_shown_in_debug_only(app):
    errors = io.StringIO()
    hidden = refusal(app, "add", 1, "secret", **{"wsgi.errors": errors})
    assert (hidden.faultCode, hidden.faultString) == (-32500, "The procedure failed.")
    assert "unsupported operand" in errors.getvalue()
    app.debug = True
    shown = refusal(app, "add", 1, "secret", **{"wsgi.errors": errors})
    assert "unsupported operand" in shown.faultString


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (object(), "object"),
        ({1, 2}, "set"),
        (2**31, "an int beyond 32 bits"),
        ("\x00", r"a str with '\x00'"),
        ({1: 2}, "a dict with a key of type int"),
        ([{"a": open}], "builtin_function_or_method"),
    ],
)
def test_a_value_that_cannot_be_carried_is_named(app, value, what):
    app.route("/bad")(lambda was: value)
    fault = refusal(app, "bad")
    assert fault.faultCode == -32500
    assert fault.faultString == f"bad() returned {what}, which XML-RPC cannot carry."


def test_a_stream_is_closed_and_a_circle_is_a_failure(app):
    circle: list[Any] = []
    circle.append(circle)
    file = io.BytesIO()
    app.route("/circle")(lambda was: circle)
    app.route("/file")(lambda was: file)
    assert refusal(app, "circle", **{"wsgi.errors": io.StringIO()}).faultCode == -32500
    assert "returned BytesIO" in refusal(app, "file").faultString
    assert file.closed


# -- system ------------------------------------------------------------------------------------


def test_introspection(app):
    @app.route("/typed")
    def typed(was, n: int, text: str, more: list[int], flag: bool = False) -> dict[str, Any]:
        """Says something.

        And more.
        """
        return {}

    app.route("/hidden", methods=["GET"])(lambda was: "")
    system = client(app).system
    assert system.listMethods() == [
        *("add", "echo"),
        *("system.listMethods", "system.methodHelp", "system.methodSignature", "system.multicall"),
        "typed",
    ]
    assert system.methodHelp("typed") == "Says something.\n\nAnd more."
    assert system.methodHelp("add") == ""
    assert system.methodSignature("typed") == [
        ["struct", "int", "string", "array"],
        ["struct", "int", "string", "array", "boolean"],
    ]
    assert system.methodSignature("add") == "undef"
    assert system.methodSignature("system.methodHelp") == [["string", "string"]]
    assert refusal(app, "system.methodHelp", "nothing").faultCode == -32601


def test_multicall(app):
    calls = rpc.MultiCall(client(app))
    calls.add(1, 2)
    calls.nothing()
    calls.echo([1, 2])
    calls.system.listMethods()
    results = calls()
    assert (results[0], results[2]) == (3, [1, 2])
    assert "add" in results[3]
    with pytest.raises(rpc.Fault, match="There is no method"):
        results[1]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (7, "a struct of methodName"),
        ({}, "has no 'methodName'"),
        ({"methodName": "add", "params": 7}, "a struct of methodName"),
        ({"methodName": "system.multicall", "params": [[]]}, "does not call itself"),
    ],
)
def test_a_bad_call_among_many_is_a_fault_of_its_own(app, call, why):
    good = {"methodName": "add", "params": [1, 2]}
    results = client(app).system.multicall([call, good])
    assert why in results[0]["faultString"]
    assert results[1] == [3]


def test_multicall_is_bounded(app):
    app.limits.xmlrpc_calls_max = 2
    assert "xmlrpc_calls_max" in refusal(app, "system.multicall", [{}] * 3).faultString
    assert refusal(app, "system.multicall", 7).faultCode == -32602


# -- bad input ---------------------------------------------------------------------------------

CALL = (
    "<methodCall><methodName>echo</methodName><params><param><value>%s</value></param></params></methodCall>"
)


def fault_of(reply: Reply) -> rpc.Fault:
    assert reply.code == 200
    with pytest.raises(rpc.Fault) as caught:
        rpc.loads(reply.body)
    return caught.value


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + CALL % "&b;",
        "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + CALL % "",
        "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + CALL % "&a;",
        "<!DOCTYPE x [<!ENTITY % a SYSTEM 'http://127.0.0.1:1/'> %a;]>" + CALL % "",
    ],
)
def test_a_document_type_is_refused_before_it_is_read(app, document):
    fault = fault_of(post(app, document.encode()))
    assert (fault.faultCode, "document type" in fault.faultString) == (-32700, True)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", -32700),
        ("no XML", -32700),
        (CALL[:-1], -32700),
        (CALL % "&undefined;", -32700),
        ("<x/>", -32600),
        ("<methodCall/>", -32600),
        (CALL.replace("echo", ""), -32600),
        (CALL % "<int>x</int>", -32600),
        (CALL % "<nothing>1</nothing>", -32600),
        (CALL % "<struct><member><name>a</name></member></struct>", -32600),
        (CALL % "<dateTime.iso8601>yesterday</dateTime.iso8601>", -32600),
        (rpc.dumps(rpc.Fault(1, "x")), -32600),
    ],
)
def test_what_is_no_call_is_a_fault(app, document, code):
    assert fault_of(post(app, document.encode())).faultCode == code


def test_depth_is_no_failure(app):
    deep = "<array><data><value>" * 50_000 + "</value></data></array>" * 50_000
    fault = fault_of(post(app, (CALL % deep).encode(), **{"wsgi.errors": io.StringIO()}))
    assert fault.faultCode == -32500


def test_bodies_are_bounded_and_plain(app):
    app.limits.xmlrpc_max = 100
    reply = post(app, b" " * 101)
    assert reply.code == 413
    assert "xmlrpc_max allows (100 bytes)" in reply.text
    assert post(app, b"", HTTP_CONTENT_ENCODING="gzip").code == 415


TAGS = (
    *("methodCall", "methodName", "params", "param", "value", "array", "data", "struct", "member"),
    *("name", "int", "base64", "nil"),
)
PIECES = st.sampled_from(
    [
        *(f"<{tag}>" for tag in TAGS),
        *(f"</{tag}>" for tag in TAGS),
        *("echo", "system.multicall", "1", "&#0;", "<!--", "-->", "\ud55c"),
        "<?xml version='1.0' encoding='utf-16'?>",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(PIECES, max_size=20).map("".join) | PIECES.map(lambda piece: CALL % piece))
def test_no_document_is_a_failure_of_the_server(document):
    app = Saddle(__name__)
    app.route("/echo")(lambda was, value: value)
    reply = post(app, document.encode(), **{"wsgi.errors": io.StringIO()})
    assert reply.code == 200
    assert outcome(reply)[0] in (0, -32700, -32600, -32602)


def outcome(reply: Reply) -> tuple[int, Any]:
    """The code of the fault, or 0, and the text or the value."""
    try:
        return 0, rpc.loads(reply.body, use_builtin_types=True)[0][0]
    except rpc.Fault as fault:
        return fault.faultCode, fault.faultString


@given(VALUES)
def test_no_value_breaks_the_answer(value):
    app = Saddle(__name__)
    app.route("/value")(lambda was: value)
    code, back = outcome(post(app, rpc.dumps((), "value").encode()))
    if code:
        assert "which XML-RPC cannot carry" in back
    else:
        assert repr(back) == repr(value)
