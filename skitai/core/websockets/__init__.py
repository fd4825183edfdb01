"""WebSockets as applications have them, whoever brings the messages: the server, or a client for tests.

| module | one sentence |
|---|---|
| `designs` | what an application says when it is offered a WebSocket |
| `opening` | who may have one, and which room its URL names |
| `calls` | a message as a call of the application, and what its answer means |
| `inbox` | messages that have come and that no handler has taken yet |
| `handles` | ``environ["websocket"]``: one client's connection, and a room with many |
| `rooms` | those rooms: which are open here, and on the bus |
| `openroom` | one of them: its loop, its clients, what is said in it |
| `clientids` | numbers of clients that no other client has |
| `numbered` | what clients get that want to know the number of each message |
| `presence` | who is in a room elsewhere |
"""
