"""Skitai: an application server for WSGI, Flask, Django and its own Saddle.

``from skitai import was`` gives the services of the request that is being answered;
``from skitai.saddle import Saddle`` the framework; ``skitai.sleep`` waits without keeping a thread.
"""

from __future__ import annotations

from skitai._constants import VERSION as __version__
from skitai._waiting import sleep

__all__ = ["__version__", "sleep"]
