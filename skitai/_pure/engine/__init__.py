"""The engine of the pure build: sockets, connections and time.

The compiled build has the same names over the same rules; `skitai._kernels` chooses.
"""

from typing import TYPE_CHECKING

from skitai._lazy import lazy_names
from skitai._pure.engine.engine import Engine, Listener
from skitai._pure.engine.exchange import BodySink, Exchange, Meter, Part, Progress
from skitai._pure.engine.keeping import ErrorPage, FolderTerms, Ground, LastingFile, StandingAnswer, Witness
from skitai._pure.engine.loop import READ, WRITE, EventLoop, Timer, change_watch
from skitai._pure.engine.secure import SecureSocket, Transport
from skitai._pure.engine.service import (
    Begun,
    Habit,
    Ids,
    Lane,
    PresentCall,
    Refusal,
    RelayLane,
    RelayWay,
    Service,
)
from skitai._pure.engine.threads import Executor, Inline, Job, Pool, make_executor
from skitai._pure.engine.wscalls import CallTerms, MessageCaller, MessageCalls
from skitai._pure.engine.wsphases import Receiver, WebSocketOwner, WebSocketTotals
from skitai._waiting import REQUEST, Future

if TYPE_CHECKING:
    from skitai._pure.engine.members import Ending, MemberPolicy, Members, MemberState
    from skitai._pure.engine.outbound import OutboundConnection, OutboundOwner, Taker
    from skitai._pure.engine.tunnel import Tunnel
    from skitai._pure.engine.websocket import WebSocket
    from skitai._pure.engine.wsopening import WebSocketClient, WebSocketOpening
else:
    # What servers never need that ask nobody and have neither WebSockets nor proxies: more than a MiB.
    __getattr__ = lazy_names(
        globals(),
        {
            **dict.fromkeys(
                ("Ending", "MemberPolicy", "MemberState", "Members"), "skitai._pure.engine.members"
            ),
            **dict.fromkeys(("OutboundConnection", "OutboundOwner", "Taker"), "skitai._pure.engine.outbound"),
            "Tunnel": "skitai._pure.engine.tunnel",
            "WebSocket": "skitai._pure.engine.websocket",
            **dict.fromkeys(("WebSocketClient", "WebSocketOpening"), "skitai._pure.engine.wsopening"),
        },
    )


__all__ = [
    "READ",
    "REQUEST",
    "WRITE",
    "Begun",
    "BodySink",
    "CallTerms",
    "Ending",
    "Engine",
    "ErrorPage",
    "EventLoop",
    "Exchange",
    "Executor",
    "FolderTerms",
    "Future",
    "Ground",
    "Habit",
    "Ids",
    "Inline",
    "Job",
    "Lane",
    "LastingFile",
    "Listener",
    "MemberPolicy",
    "MemberState",
    "Members",
    "MessageCaller",
    "MessageCalls",
    "Meter",
    "OutboundConnection",
    "OutboundOwner",
    "Part",
    "Pool",
    "PresentCall",
    "Progress",
    "Receiver",
    "Refusal",
    "RelayLane",
    "RelayWay",
    "SecureSocket",
    "Service",
    "StandingAnswer",
    "Taker",
    "Timer",
    "Transport",
    "Tunnel",
    "WebSocket",
    "WebSocketClient",
    "WebSocketOpening",
    "WebSocketOwner",
    "WebSocketTotals",
    "Witness",
    "change_watch",
    "make_executor",
]
