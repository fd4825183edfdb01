"""`skitai.was` means the request that is being answered, here and nowhere else."""

from __future__ import annotations

import contextvars
import importlib
import inspect
import threading
from typing import Any

import pytest

from skitai import was
from skitai.errors import AppError, OutsideRequest
from skitai.was import Services, activate, deactivate


def in_request(environ: dict[str, Any], function, application=None):
    """As the gateway does it: the services live as long as the request's context."""
    context = contextvars.copy_context()
    context.run(activate, environ, application)
    return context.run(function)


def test_inside_a_request_was_gives_its_services():
    environ: dict[str, Any] = {"PATH_INFO": "/x"}
    application = object()
    assert in_request(environ, lambda: (was.env, was.app), application) == (environ, application)
    assert in_request(environ, was.current).env is environ


def test_services_can_be_made_when_they_are_first_asked_for():
    class Maker:
        def services(self) -> Services:
            return Services({"PATH_INFO": "/late"})

    context = contextvars.copy_context()
    context.run(was.BINDING.variable.set, Maker())
    assert context.run(lambda: was.env) == {"PATH_INFO": "/late"}


def test_outside_a_request_the_error_says_what_to_do():
    with pytest.raises(OutsideRequest, match=r"was\.env is used outside a request.*inside a handler"):
        _ = was.env
    with pytest.raises(OutsideRequest, match=r"was\.gett is used outside.*was\.get and the like.*anywhere"):
        _ = was.gett
    assert issubclass(OutsideRequest, (AppError, RuntimeError))
    in_request({}, lambda: was.env)
    with pytest.raises(RuntimeError):
        _ = was.env


def test_each_thread_and_context_has_its_own():
    seen: dict[int, bool] = {}
    barrier = threading.Barrier(4)

    def request(number: int) -> None:
        def handler() -> None:
            barrier.wait(5)
            seen[number] = was.env["number"] == number

        in_request({"number": number}, handler)

    threads = [threading.Thread(target=request, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == dict.fromkeys(range(4), True)


def test_activations_nest():
    outer = activate({"name": "outer"})
    inner = activate({"name": "inner"})
    assert was.env["name"] == "inner"
    deactivate(inner)
    assert was.env["name"] == "outer"
    deactivate(outer)
    with pytest.raises(OutsideRequest):
        _ = was.env


def test_a_service_that_is_not_there_is_named():
    def handler() -> None:
        with pytest.raises(AttributeError, match=r"no service 'nonsense'; it has app, env"):
            _ = was.nonsense
        with pytest.raises(AttributeError, match=r"was\.request belongs to Saddle"):
            _ = was.request

    in_request({}, handler)


def test_nothing_can_be_put_on_the_shared_object():
    with pytest.raises(AttributeError, match=r"shared by all requests.*in tests replace"):
        was.user = "Hans"


def test_it_is_still_a_module_for_those_who_look_at_modules():
    assert importlib.import_module("skitai.was") is was
    assert inspect.ismodule(was)
    assert not hasattr(was, "__wrapped__")
    assert {"env", "app", "activate"} <= set(dir(was))
