"""Skitai: an application server for WSGI, Flask, Django and its own Saddle.

``from skitai import was`` gives the services of the request that is being answered;
``from skitai.saddle import Saddle`` the framework.
"""

from __future__ import annotations

from skitai._constants import VERSION as __version__

__all__ = ["__version__"]
