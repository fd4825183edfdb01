"""WsgiDAV over the folder that the environment variable DAV_ROOT names, open to everybody."""

from __future__ import annotations

import os

from wsgidav.wsgidav_app import WsgiDAVApp

app = WsgiDAVApp(
    {
        "provider_mapping": {"/": os.environ["DAV_ROOT"]},
        "simple_dc": {"user_mapping": {"*": True}},
        "property_manager": True,
        "verbose": 1,
        "logging": {"enable": False},
    }
)
