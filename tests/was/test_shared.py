"""Objects that all applications of a server share."""

from __future__ import annotations

import pytest

from skitai import was
from skitai.saddle import Saddle
from skitai.was import SHARED, activate, deactivate


@pytest.fixture
def in_request():
    token = activate({}, None)
    yield
    deactivate(token)


@pytest.fixture
def shared():
    thing = object()
    SHARED.registerObject("myobject", thing)
    yield thing
    SHARED.unregister("myobject")


@pytest.mark.usefixtures("in_request")
def test_a_registered_object_is_seen_by_every_application(shared):
    assert was.myobject is shared
    assert was.current().myobject is shared
    assert SHARED.myobject is shared
    assert "myobject" in dir(SHARED)


@pytest.mark.usefixtures("in_request")
def test_it_is_gone_when_it_is_unregistered():
    SHARED.register("passing", 1)
    assert SHARED.unregisterObject("passing") == 1
    with pytest.raises(AttributeError, match="was has no service 'passing'"):
        _ = was.passing
    with pytest.raises(AttributeError, match="no object 'passing' is registered"):
        _ = SHARED.passing
    with pytest.raises(KeyError, match="passing is not registered"):
        SHARED.unregister("passing")


def test_a_name_is_taken_once(shared):
    with pytest.raises(KeyError, match=r"was\.myobject is registered already"):
        SHARED.registerObject("myobject", object())


@pytest.mark.parametrize("name", ["env", "app", "request", "registerObject", *Saddle.skitai_services])
def test_names_of_services_are_refused(name):
    with pytest.raises(KeyError, match="is a service"):
        SHARED.registerObject(name, 1)


@pytest.mark.parametrize("name", ["", "a b", "_private", "1"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="cannot be asked for"):
        SHARED.registerObject(name, 1)
