"""The engine of the compiled build: the pure one, over the HTTP kernel of this build."""

from __future__ import annotations

from skitai._pure.engine import BodySink, EventLoop, Exchange, Listener, Progress, Refusal, Service, Timer
from skitai._pure.engine import Engine as PureEngine
from skitai._speedups.http1 import ServerConnection

__all__ = [
    "BodySink",
    "Engine",
    "EventLoop",
    "Exchange",
    "Listener",
    "Progress",
    "Refusal",
    "Service",
    "Timer",
]


class Engine(PureEngine):
    http_connection = ServerConnection
