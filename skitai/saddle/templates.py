"""Templates of Jinja2, from the folder ``templates`` beside the application's file.

Autoescape is on for all of them, whatever their names end with; ``was`` is in scope.  Changed files
are read again where the application is in debug or has a reloader; elsewhere they are looked at once.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai import was
from skitai.saddle.extras import extra

if TYPE_CHECKING:
    import jinja2

__all__ = ["TemplateSettings"]


class TemplateSettings:
    """What an application says about its templates.  Set while it is imported, used by any thread."""

    #: Where the templates are, as seen from the folder of the application's file.
    template_folder: str | Path = "templates"

    import_name: str
    debug: bool
    use_reloader: bool

    @functools.cached_property
    def jinja_env(self) -> jinja2.Environment:
        """The environment of Jinja2: ``app.jinja_env.filters["name"] = function``.

        Raises:
            ImportError: Jinja2 is not installed.
        """
        package: Any = extra("jinja2", "Jinja2", "templates", "app.get_template")
        folder = _home(self.import_name) / self.template_folder
        environment: jinja2.Environment = package.Environment(
            loader=package.FileSystemLoader(folder), autoescape=True
        )
        environment.globals["was"] = was
        return environment

    def get_template(self, name: str) -> jinja2.Template:
        """The template of this name; ``.render(**values)`` gives its text.

        Raises:
            ImportError: Jinja2 is not installed.
            jinja2.TemplateNotFound, jinja2.TemplateSyntaxError: as they say.
        """
        environment = self.jinja_env
        environment.auto_reload = self.debug or self.use_reloader
        return environment.get_template(name)

    def renderer_of(self, services: was.Services) -> Callable[..., str]:
        """``was.render(name, **values)``."""

        def render(name: str, /, **values: Any) -> str:
            """The text of a template with ``values``."""
            return self.get_template(name).render(**{"was": services, **values})

        return render


def _home(import_name: str) -> Path:
    """The folder of a module's file; without one (an interactive session) the working directory."""
    file = getattr(sys.modules.get(import_name), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()
