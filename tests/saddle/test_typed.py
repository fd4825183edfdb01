"""`skitai.saddle.Was` has for type checkers what handlers find; tests/typing is what `make lint` checks."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import skitai.saddle.typed
from skitai.saddle import Saddle, Was
from skitai.was import Services

PACKAGE = Path(skitai.__file__).parent


def test_the_names_are_those_that_a_handler_finds() -> None:
    tree = ast.parse(Path(skitai.saddle.typed.__file__).read_text("utf-8"))
    [declared] = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names = {ast.unparse(node.target) for node in declared.body if isinstance(node, ast.AnnAssign)}
    assert names == {*Saddle.skitai_services, "app"}


def test_at_run_time_it_is_what_handlers_get() -> None:
    assert Was is Services


def test_the_program_that_is_checked_loads() -> None:
    consumer = importlib.import_module("tests.typing.consumer")
    assert consumer.app.test_client().get("/large").text == "data"


def test_type_checkers_are_told_that_there_are_types() -> None:
    assert (PACKAGE / "py.typed").exists()
