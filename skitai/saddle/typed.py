"""`Was`: what a handler of Saddle's is given, for those who have their types checked.

    from skitai.saddle import Saddle, Was

    @app.route("/hello")
    def hello(was: Was, name: str) -> str:
        return f"{was.request.method} from {name}"

At run time it is `skitai.was.Services`, which makes these names by `Saddle.skitai_services` when they are
first asked for; a test holds both lists against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skitai.was import Services

__all__ = ["Was"]

if TYPE_CHECKING:
    from skitai.saddle.app import Saddle
    from skitai.saddle.cookies import Cookies
    from skitai.saddle.messages import MessageBox
    from skitai.saddle.request import Request
    from skitai.saddle.response import Response
    from skitai.saddle.sessions import Session
    from skitai.saddle.temp import Temp

    class Was(Services):
        app: Saddle
        ab: Callable[..., str]
        cookie: Cookies
        csrf_token: str
        csrf_token_input: str
        flash: MessageBox
        mbox: MessageBox
        redirect: Callable[..., str]
        render: Callable[..., str]
        request: Request
        response: Response
        #: None where the application has no ``securekey``.
        session: Session | None
        temp: Temp
else:
    Was = Services
