"""Applications that have WebSockets: from a request that asks for one to the calls that its messages make.

| module | one sentence |
|---|---|
| `door` | in front of all this: whether a WebSocket is asked for |
| `upgrades` | the application is asked, the handshake is made, and its design decides who gets the messages |
| `callstage` | what stands in the place of an HTTP exchange where an application is called for a message |
| `connections` | what the designs need of the application that has a connection |
| `reqdata` | one call for each message |
| `loops` | handlers that loop: on a stack that is parked, or in a thread of their own |
| `dedicated` | one loop for one connection |
| `rooms` | clients of a room, and those of them that are slow |

Everything that the application runs is a `skitai.core.gateway.Run` like that of a request.
"""

from __future__ import annotations

from skitai.websocket.door import WebSocketDoor

__all__ = ["WebSocketDoor"]
