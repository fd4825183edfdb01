"""Applications are found, kept apart, explained when they fail, and reloaded when they change."""

from __future__ import annotations

import builtins
import importlib
import itertools
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest

from skitai.core.apps import MountedApp, load_application
from skitai.core.config.targets import AppTarget
from skitai.errors import AppLoadError
from tests.waiting import wait_until

SAY = "def app(environ, start_response):\n    return [{}]\n"


_ages = itertools.count()
_YESTERDAY = time.time_ns() - 86400 * 10**9


def write(folder: Path, **files: str) -> Path:
    """``a__SLASH__b="text"`` writes the file a/b.py, each time a millisecond younger."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__SLASH__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        os.utime(path, ns=(_YESTERDAY, _YESTERDAY + next(_ages) * 10**6))
    return folder


def target(folder: Path | None, module: str = "app", attribute: str = "app") -> AppTarget:
    return AppTarget(folder, module, attribute, f"{folder}/{module}:{attribute}")


def load(folder: Path | None, module: str = "app", attribute: str = "app"):
    return load_application(target(folder, module, attribute))


def said(application) -> bytes:
    return b"".join(application({}, lambda status, headers: None))


def failure(folder: Path | None, module: str = "app", attribute: str = "app") -> AppLoadError:
    with pytest.raises(AppLoadError) as caught:
        load(folder, module, attribute)
    return caught.value


@pytest.fixture
def two_folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "one", tmp_path / "two"


# -- kept apart ------------------------------------------------------------------------------


def test_two_files_of_one_name_in_different_folders_are_two_applications(two_folders):
    for folder in two_folders:
        write(folder, app=SAY.format(repr(folder.name.encode())))
    one, two = map(load, two_folders)
    assert (said(one), said(two)) == (b"one", b"two")
    assert said(load(two_folders[0])) == b"one"


def test_plain_and_relative_imports_mean_one_module_and_each_folder_has_its_own(two_folders):
    for folder in two_folders:
        write(
            folder,
            app="""
                import helper
                import tools.deep.well as well
                from . import helper as relative
                from tools.deep import well as again
                assert helper is relative and well is again
                def app(environ, start_response):
                    import late
                    from tools import other
                    return [helper.WHO, late.WHO, well.WHO, other.WHO]
            """,
            helper=f"WHO = {folder.name.encode()!r}",
            late="import helper\nWHO = helper.WHO",
            tools__SLASH____init__="",
            tools__SLASH__other="import helper\nWHO = helper.WHO",
            tools__SLASH__deep__SLASH__well="from helper import WHO",
        )
    applications = [load(folder) for folder in two_folders]
    heard: list[bytes] = []
    threads = [
        threading.Thread(target=lambda a=a: heard.append(said(a))) for a in applications for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == [b"one" * 4] * 4 + [b"two" * 4] * 4


def test_a_circular_import_of_the_application_file_gives_the_same_module(tmp_path):
    write(
        tmp_path,
        app="""
            VALUE = object()
            import sub
            same = sub.app_module.VALUE is VALUE and sub.VALUE is VALUE
            def app(environ, start_response): return [b"same"] if same else []
        """,
        sub="import app as app_module\nfrom .app import VALUE",
    )
    assert said(load(tmp_path)) == b"same"


def test_imports_by_name_find_the_folder_of_the_application_that_asks(two_folders):
    for folder in two_folders:
        write(
            folder,
            app="""
                import importlib
                import plugins.first
                settings = importlib.import_module("settings_for_test")
                assert importlib.import_module("plugins.first") is plugins.first
                def app(environ, start_response): return [settings.WHO]
            """,
            settings_for_test=f"WHO = {folder.name.encode()!r}",
            plugins__SLASH____init__="",
            plugins__SLASH__first="",
        )
    assert [said(load(folder)) for folder in two_folders] == [b"one", b"two"]
    assert "settings_for_test" not in sys.modules


def test_an_import_by_name_while_serving_is_refused_when_two_folders_have_it(two_folders):
    for folder in two_folders:
        write(
            folder,
            app="""
                import importlib
                def app(environ, start_response):
                    return [importlib.import_module(environ["name"]).WHO]
            """,
            ambiguous_for_test="WHO = b''",
        )
    write(two_folders[0], only_here_for_test="WHO = b'here'")
    one, _ = map(load, two_folders)
    assert b"".join(one({"name": "only_here_for_test"}, None)) == b"here"
    with pytest.raises(ImportError, match=r"ambiguous: .*one and .*two both"):
        one({"name": "ambiguous_for_test"}, None)


def test_the_standard_library_is_not_shadowed_and_others_never_see_the_folder(tmp_path):
    write(
        tmp_path,
        app="import json, visible_for_test\n" + SAY.format("json.dumps(1).encode()"),
        json="",
        visible_for_test="",
    )
    assert said(load(tmp_path)) == b"1"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("visible_for_test")


def test_what_asks_for_the_module_by_its_name_gets_it(tmp_path):
    write(
        tmp_path,
        app="""
            from __future__ import annotations
            import importlib.resources, typing
            from dataclasses import dataclass, fields
            from typing import ClassVar
            @dataclass
            class Point:
                x: Number
                unit: ClassVar[str] = "m"
            Number = int
            def app(environ, start_response):
                assert len(fields(Point)) == 1
                assert typing.get_type_hints(Point)["x"] is int
                return [importlib.resources.files(__package__).joinpath("words.txt").read_bytes()]
        """,
    )
    (tmp_path / "words.txt").write_bytes(b"words")
    application = load(tmp_path)
    assert said(application) == b"words"
    point = application.__globals__["Point"](3)
    assert pickle.loads(pickle.dumps(point)) == point


def test_a_name_put_into_builtins_at_import_is_seen_by_the_handlers(tmp_path):
    write(tmp_path, app="import gettext\ngettext.install('x')\n" + SAY.format("_('hello').encode()"))
    try:
        assert said(load(tmp_path)) == b"hello"
    finally:
        del builtins.__dict__["_"]


def test_flask_finds_its_templates_configuration_and_instance_folder(two_folders):
    pytest.importorskip("flask")
    for folder in two_folders:
        write(
            folder,
            app="""
                from flask import Flask, render_template
                app = Flask(__name__)
                app.config.from_object("flask_config")
                @app.route("/")
                def index(): return render_template("page.html") + app.config["WHO"]
            """,
            flask_config=f"WHO = {folder.name!r}",
        )
        (folder / "templates").mkdir()
        (folder / "templates" / "page.html").write_text(f"page of {folder.name}, ")
    for folder in two_folders:
        application = load(folder)
        assert application.test_client().get("/").text == f"page of {folder.name}, {folder.name}"
        assert application.instance_path == str(folder / "instance")


def test_a_folder_with_init_is_a_package_and_its_init_runs(tmp_path):
    write(tmp_path, __init__="NAME = b'package'", app="from . import NAME\n" + SAY.format("NAME"))
    assert said(load(tmp_path)) == b"package"


def test_the_synthetic_name_is_the_same_in_every_process(tmp_path):
    write(tmp_path, app=SAY.format("__name__.encode()"))
    program = (
        "import sys; from pathlib import Path; from skitai.core.apps import load_application;"
        "from skitai.core.config.targets import AppTarget;"
        "a = load_application(AppTarget(Path(sys.argv[1]), 'app', 'app', ''));"
        "sys.stdout.buffer.write(a({}, None)[0])"
    )
    there = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, check=True)
    assert there.stdout == said(load(tmp_path))


# -- real names --------------------------------------------------------------------------------


def test_a_dotted_module_of_a_folder_has_its_real_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    write(tmp_path, real_site__SLASH____init__="", real_site__SLASH__wsgi=SAY.format("__name__.encode()"))
    assert said(load(tmp_path, "real_site.wsgi")) == b"real_site.wsgi"


def test_two_packages_of_one_name_are_refused_with_the_place_of_the_first(two_folders, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    for folder in two_folders:
        write(folder, twice_here__SLASH____init__="", twice_here__SLASH__wsgi=SAY.format("b''"))
    load(two_folders[0], "twice_here.wsgi")
    assert str(two_folders[0]) in failure(two_folders[1], "twice_here.wsgi").message


def test_a_module_of_the_import_path(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, on_the_path=SAY.format("b'path'"))
    assert said(load(None, "on_the_path")) == b"path"


# -- the attribute -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "answer"),
    [
        ("application", b"plain"),
        ("box.inner", b"inner"),
        ("make()", b"made None"),
        ("make('x', size=[1, 2])", b"made x [1, 2]"),
        ("box.make('y')", b"made y"),
    ],
)
def test_attributes_and_factories(tmp_path, attribute, answer):
    write(
        tmp_path,
        app="""
            def say(text): return lambda environ, start_response: [text.encode()]
            application = say("plain")
            def make(name=None, size=""): return say(f"made {name} {size}".rstrip())
            class box: inner = staticmethod(say("inner")); make = make
        """,
    )
    assert said(load(tmp_path, "app", attribute)) == answer


@pytest.mark.parametrize("attribute", ["a b", "make(open('x'))", "make(**{})", "a[0]", "", "make()()"])
def test_an_attribute_of_another_form_is_refused(tmp_path, attribute):
    write(tmp_path, app="def make(): pass")
    assert "neither a name" in failure(tmp_path, "app", attribute).message


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("aplication", "app.py has no attribute 'aplication'; did you mean 'application'?"),
        ("zzz", "app.py has no attribute 'zzz'; did you mean 'application'?"),
        ("number", "'number' is no WSGI application but int"),
    ],
)
def test_a_wrong_attribute(tmp_path, attribute, message):
    write(tmp_path, app="number = 1\ndef application(environ, start_response): pass")
    assert failure(tmp_path, "app", attribute).message.startswith(message)


# -- failures ----------------------------------------------------------------------------------


def test_an_exception_at_import_names_the_line_and_keeps_our_frames_out(tmp_path):
    write(tmp_path, app="import helper\n", helper="import json\n\njson.loads('{')\n")
    error = failure(tmp_path)
    assert (error.file, error.line) == (str(tmp_path / "helper.py"), 3)
    assert error.message.startswith("JSONDecodeError: ")
    assert error.target == f"{tmp_path}/app:app"
    assert error.report.startswith("Traceback (most recent call last):")
    assert "app.py" in error.report
    assert "helper.py" in error.report
    assert "skitai/core" not in error.report
    assert "importlib" not in error.report


def test_a_factory_that_fails_names_its_line(tmp_path):
    write(tmp_path, app="def make():\n    return {}['database']\n")
    error = failure(tmp_path, "app", "make()")
    assert (error.line, error.message) == (2, "KeyError: 'database'")


def test_a_syntax_error_names_its_line(tmp_path):
    write(tmp_path, app="x = 1\ndef f(:\n")
    error = failure(tmp_path)
    assert (error.file, error.line) == (str(tmp_path / "app.py"), 2)
    assert error.message.startswith("SyntaxError: ")


def test_exit_at_import_is_contained_and_the_console_is_not(tmp_path):
    write(tmp_path, app="import sys; sys.exit(3)", stop="raise KeyboardInterrupt")
    assert failure(tmp_path).message == "the application called sys.exit(3) while it was imported"
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path, "stop")


def test_missing_places_name_what_is_near(tmp_path):
    write(tmp_path, flaskapp="")
    assert failure(tmp_path, "flaskap").message.endswith(f"in {tmp_path}; did you mean 'flaskapp'?")
    assert failure(tmp_path / "no").message == f"no such folder: {tmp_path / 'no'}"
    assert "on the import path" in failure(None, "surely_not_there").message
    assert "on the import path" in failure(None, "surely_not_there.wsgi").message


def test_a_module_of_a_package_that_imports_by_its_name_is_told_how_to_be_mounted(tmp_path):
    write(tmp_path / "site_of_mine", __init__="", wsgi="import site_of_mine.settings")
    assert failure(tmp_path / "site_of_mine", "wsgi", "application").message == (
        "ModuleNotFoundError: No module named 'site_of_mine'; "
        f"mount it by that name: {tmp_path}/site_of_mine.wsgi:application"
    )


def test_a_failure_has_its_place_in_one_line_and_always_a_report(tmp_path):
    write(tmp_path, app="number = 1", broken="\n1 / 0")
    assert str(failure(tmp_path, "broken")).startswith(f"{tmp_path}/broken.py:2: ZeroDivisionError: ")
    error = failure(tmp_path, "app", "number")
    assert error.report == str(error) == error.message


def test_a_failed_load_is_tried_again_from_the_start(tmp_path):
    write(tmp_path, app="import helper\n" + SAY.format("helper.WHO"), helper="1 / 0")
    assert "ZeroDivisionError" in failure(tmp_path).message
    write(tmp_path, helper="WHO = b'mended'")
    importlib.invalidate_caches()
    assert said(load(tmp_path)) == b"mended"


# -- reload ------------------------------------------------------------------------------------


def mounted(folder: Path | None, module: str = "app", **options) -> MountedApp:
    app = MountedApp(target(folder, module), check_interval=0.0, **options)
    app.load()
    return app


def ask(app: MountedApp) -> bytes:
    app.refresh()
    return said(app.application)


def test_nothing_is_looked_at_unless_it_is_asked_for(tmp_path):
    write(tmp_path, app=SAY.format("b'old'"))
    app = mounted(tmp_path)
    write(tmp_path, app=SAY.format("b'much newer'"))
    assert not app.reloads
    assert not app.refresh()
    assert said(app.application) == b"old"


@pytest.mark.parametrize("attribute", ["use_reloader", "debug"])
def test_a_change_is_loaded_before_the_next_request(tmp_path, attribute):
    write(tmp_path, app=SAY.format("b'old'") + f"app.{attribute} = True\n")
    app = mounted(tmp_path)
    in_flight = app.application
    assert ask(app) == b"old"
    write(tmp_path, app=SAY.format("b'new'") + f"app.{attribute} = True\n")  # same size, same second
    assert ask(app) == b"new"
    assert said(in_flight) == b"old"
    assert not app.refresh()


def test_a_changed_helper_makes_the_whole_folder_anew(tmp_path):
    write(tmp_path, app="from helper import WHO\n" + SAY.format("WHO"), helper="WHO = b'old'")
    app = mounted(tmp_path, use_reloader=True)
    write(tmp_path, helper="WHO = b'new'")
    assert ask(app) == b"new"


def test_a_module_imported_by_name_while_serving_is_made_anew_too(tmp_path):
    write(
        tmp_path,
        app="""
            import importlib
            def app(environ, start_response):
                return [importlib.import_module("by_name_and_changed").WHO]
        """,
        by_name_and_changed="WHO = b'old'",
    )
    app = mounted(tmp_path, use_reloader=True)
    assert ask(app) == b"old"
    write(tmp_path, app=(tmp_path / "app.py").read_text() + "# changed\n", by_name_and_changed="WHO = b'new'")
    assert ask(app) == b"new"


def test_a_broken_file_is_an_error_until_it_is_mended(tmp_path):
    write(tmp_path, app="import helper\n" + SAY.format("helper.WHO"), helper="WHO = b'good'")
    app = mounted(tmp_path, use_reloader=True)
    write(tmp_path, helper="WHO = (")
    assert app.refresh()
    assert app.error is not None
    assert app.error.file == str(tmp_path / "helper.py")
    with pytest.raises(AppLoadError, match="SyntaxError"):
        _ = app.application
    before = app.error
    app.refresh()
    assert app.error.message == before.message
    write(tmp_path, helper="WHO = b'mended'")
    assert ask(app) == b"mended"
    assert app.error is None


def test_a_missing_module_is_found_when_it_is_written(tmp_path):
    write(tmp_path, app="import not_yet_written\n" + SAY.format("b'found'"))
    app = MountedApp(target(tmp_path), use_reloader=True, check_interval=0.0)
    with pytest.raises(AppLoadError, match="not_yet_written"):
        app.load()
    write(tmp_path, not_yet_written="")
    assert ask(app) == b"found"


def test_applications_of_one_folder_are_renewed_together(tmp_path):
    write(
        tmp_path,
        first="import shared\n" + SAY.format("shared.WHO"),
        second="import shared\n" + SAY.format("shared.WHO"),
        shared="WHO = b'old'",
    )
    first, second = mounted(tmp_path, "first", use_reloader=True), mounted(tmp_path, "second")
    write(tmp_path, shared="WHO = b'new'")
    assert (ask(first), ask(second)) == (b"new", b"new")
    assert first.application.__globals__["shared"] is second.application.__globals__["shared"]


def test_named_modules_reload_too_and_only_those_beside_them(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(
        tmp_path,
        named_app="import named_helper\n" + SAY.format("named_helper.WHO"),
        named_helper="WHO = b'a'",
    )
    app = mounted(None, "named_app", use_reloader=True)
    os_before, skitai_before = sys.modules["os"], sys.modules["skitai.errors"]
    write(tmp_path, named_helper="WHO = b'b'")
    assert ask(app) == b"b"
    assert sys.modules["os"] is os_before
    assert sys.modules["skitai.errors"] is skitai_before


def test_files_are_looked_at_no_more_often_than_the_interval(tmp_path):
    write(tmp_path, app=SAY.format("b'old'"))
    app = MountedApp(target(tmp_path), use_reloader=True, check_interval=1.0)
    app.load()
    app.refresh()
    write(tmp_path, app=SAY.format("b'new'"))
    assert ask(app) == b"old"
    wait_until(lambda: ask(app) == b"new")


def test_a_file_saved_again_while_it_was_being_loaded_is_loaded_again(tmp_path):
    write(
        tmp_path,
        app="""
            import helper
            from pathlib import Path
            if helper.WHO == b"first save":
                Path(helper.__file__).write_text("WHO = b'second save'")
            def app(environ, start_response): return [helper.WHO]
        """,
        helper="WHO = b'before'",
    )
    app = mounted(tmp_path, use_reloader=True)
    write(tmp_path, helper="WHO = b'first save'")
    assert ask(app) == b"first save"
    assert ask(app) == b"second save"


def test_many_threads_see_one_reload(tmp_path, monkeypatch):
    loads: list[int] = []
    monkeypatch.setattr(builtins, "count_a_load", lambda: loads.append(1), raising=False)
    write(tmp_path, app="import builtins\nbuiltins.count_a_load()\n" + SAY.format("b'v'"))
    app = mounted(tmp_path, use_reloader=True)
    write(tmp_path, app=(tmp_path / "app.py").read_text() + "# changed\n")
    threads = [threading.Thread(target=app.refresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 2
