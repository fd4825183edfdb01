"""A part of a larger application, in a module of its own.

    # sub.py
    package = Package("/shop")

    @package.route("/hello/<name>")
    def hello(was, name): ...

    # app.py
    from . import sub
    app.add_package(sub, "package")

Its hooks run inside those of the application, its error handlers are asked first.  Debugging,
reloading, authorization and all else are the application's.
"""

from __future__ import annotations

from skitai.saddle.scope import Scope, checked_prefix

__all__ = ["Package"]


class Package(Scope):
    """Routes, hooks and error handlers of one module, for an application that takes them in."""

    def __init__(self, prefix: str = "", *, name: str = "") -> None:
        """
        Args:
            prefix: below which its rules stand.
            name: for URLs, ``was.ab("name.function")``; of the module that it is added from, if not given.

        Raises:
            ValueError: the prefix does not begin with a slash.
        """
        super().__init__(name)
        self.prefix = checked_prefix(prefix)
