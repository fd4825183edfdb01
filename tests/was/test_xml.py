"""Values as JSON and XML, and back: in a request, and anywhere else."""

from __future__ import annotations

import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai import was
from skitai.was import Services

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_json_there_and_back(value):
    try:
        text = was.tojson(value)
    except ValueError:
        assert "inf" in repr(value)
    else:
        assert repr(was.fromjson(text)) == repr(was.fromjson(text.encode())) == repr(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_numbers_that_json_does_not_have(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        was.tojson(value)


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 1_000_000])
def test_what_is_no_json(text):
    with pytest.raises(ValueError):  # noqa: PT011 (each in words of the reader's own)
        was.fromjson(text)


def test_xml_there_and_back():
    parameters = (1, "<a & b>\r\n", None, [1.5, {"k": b"\0"}])
    assert was.fromxml(was.toxml(parameters)) == (parameters, None)
    assert was.toxml([]) == was.toxml(())
    call = xmlrpc.client.dumps((1, 2), "add")
    assert was.fromxml(call) == was.fromxml(call.encode()) == ((1, 2), "add")


def test_a_fault_is_raised():
    with pytest.raises(xmlrpc.client.Fault, match="too many"):
        was.fromxml(xmlrpc.client.dumps(xmlrpc.client.Fault(4, "too many")))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'aaaa'>]><params/>", "the text has a document type"),
        ("<params>", "the text is no XML: no element found"),
        ("<x/>", "the text is no XML-RPC"),
    ],
)
def test_what_is_no_xml_rpc(text, why):
    with pytest.raises(ValueError, match=why):
        was.fromxml(text)


def test_what_xml_rpc_cannot_carry():
    with pytest.raises(TypeError, match="toxml was given object, which XML-RPC cannot carry"):
        was.toxml((object(),))
    with pytest.raises(TypeError, match=r"a tuple of values: \('text',\) is one"):
        was.toxml("text")


def test_a_handler_has_them_too():
    services = Services({})
    assert services.fromjson(services.tojson([1])) == [1]
    assert services.fromxml(services.toxml((1,))) == ((1,), None)
