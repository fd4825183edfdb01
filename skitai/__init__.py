"""Skitai: an application server for WSGI, Flask, Django and its own Saddle.

``from skitai import was`` gives the services of the request that is being answered;
``from skitai.saddle import Saddle`` the framework; ``skitai.sleep`` waits without keeping a thread;
``skitai.WEBSOCKET_REQDATA``, ``WEBSOCKET_DEDICATE`` and ``WEBSOCKET_MULTICAST`` are the three ways to have
WebSockets.
"""

from __future__ import annotations

from skitai._constants import VERSION as __version__
from skitai._constants import WEBSOCKET_DEDICATE, WEBSOCKET_MULTICAST, WEBSOCKET_REQDATA
from skitai._waiting import sleep

__all__ = ["WEBSOCKET_DEDICATE", "WEBSOCKET_MULTICAST", "WEBSOCKET_REQDATA", "__version__", "sleep"]
