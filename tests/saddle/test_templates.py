"""Templates: where they are found, what is in their scope, when they are read again."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import jinja2
import pytest

from skitai.saddle import Saddle

APP = """
from skitai.saddle import Saddle
app = Saddle(__name__)

@app.route("/")
def index(was):
    if was.app.debug:
        return was.app.get_template("index-debug.html").render(name="Hans")
    return was.app.get_template("index.html").render(name="Hans")

@app.route("/render")
def render(was, name="<Hans>"):
    return was.render("index.html", name=name)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "templates/index.html").write_text("Hello {{ name }} at {{ was.request.uri }}")
    (tmp_path / "templates/index-debug.html").write_text("Debugging {{ name }}")
    return tmp_path


@pytest.fixture
def load(monkeypatch):
    def load(file: Path, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_the_sample_of_the_readme(folder, load):
    app = load(folder / "app.py", "templates_by_path").app
    client = app.test_client()
    assert client.get("/").text == "Hello Hans at /"
    app.debug = True
    assert client.get("/").text == "Debugging Hans"


def test_a_package_has_them_beside_its_module(folder, monkeypatch):
    package = folder / "some_package_of_templates"
    package.mkdir()
    for name in ("app.py", "templates"):
        (folder / name).rename(package / name)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    app = importlib.import_module("some_package_of_templates.app").app
    assert app.test_client().get("/render").text == "Hello &lt;Hans&gt; at /render"


def test_everything_is_escaped_whatever_the_name_of_the_template(folder, load):
    (folder / "templates/mail.txt").write_text("{{ name }}")
    app = load(folder / "app.py", "templates_escaped").app
    assert app.get_template("mail.txt").render(name="<&>") == "&lt;&amp;&gt;"


def test_filters_and_globals_may_be_added(folder, load):
    (folder / "templates/shout.html").write_text("{{ name | shout }}")
    app = load(folder / "app.py", "templates_filters").app
    app.jinja_env.filters["shout"] = str.upper
    assert app.get_template("shout.html").render(name="hans") == "HANS"
    assert app.jinja_env is app.jinja_env


def test_values_of_the_page_go_before_was(folder, load):
    (folder / "templates/own.html").write_text("{{ was }} {{ name }}")
    app = load(folder / "app.py", "templates_own").app
    app.route("/own")(lambda was: was.render("own.html", was="mine", name="name"))
    assert app.test_client().get("/own").text == "mine name"


@pytest.mark.parametrize(("debug", "reloads"), [(False, False), (True, False), (False, True)])
def test_changed_templates_are_read_again_while_one_works_on_them(folder, load, debug, reloads):
    app = load(folder / "app.py", "templates_changed").app
    app.debug, app.use_reloader = debug, reloads
    assert app.get_template("index-debug.html").render(name="x") == "Debugging x"
    file = folder / "templates/index-debug.html"
    file.write_text("Changed {{ name }}")
    os.utime(file, (1, 1))
    text = app.get_template("index-debug.html").render(name="x")
    assert text == ("Changed x" if debug or reloads else "Debugging x")


def test_another_folder(folder, load):
    (folder / "templates").rename(folder / "pages")
    app = load(folder / "app.py", "templates_folder").app
    app.template_folder = "pages"
    assert app.test_client().get("/").text == "Hello Hans at /"


def test_a_template_that_is_not_there():
    with pytest.raises(jinja2.TemplateNotFound, match="nothing"):
        Saddle(__name__).get_template("nothing.html")


def test_an_application_without_a_file_looks_where_it_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert Saddle("no module").get_template("index-debug.html").render(name="x") == "Debugging x"


def test_without_jinja_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"app.get_template needs the package Jinja2.*skitai\[templates\]"):
        Saddle(__name__).get_template("index.html")


def test_what_a_package_itself_lacks_is_not_said_to_be_the_package(monkeypatch, tmp_path):
    (tmp_path / "jinja2_lacking.py").write_text("import something_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    from_extras = importlib.import_module("skitai.saddle.extras").extra
    with pytest.raises(ModuleNotFoundError, match="something_that_is_not_there"):
        from_extras("jinja2_lacking", "Jinja2", "templates", "it")
