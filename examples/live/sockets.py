"""WebSockets in their three designs.  The page's side is static/live.js."""

import skitai
from skitai.saddle import Package

from .page import page

package = Package()

LEAD = """An application says with one tuple that it wants a WebSocket, and how messages are to reach
it: a call for each message, a loop for each client, or a loop for a room of clients. Open this page
twice to chat with yourself."""

PANEL = """<section class="panel" data-socket="{url}"><h3>{title}</h3><p>{text}</p>
<ol class="log" aria-live="polite"></ol>
<form><input name="say" aria-label="Message" value="{value}" autocomplete="off"><button>Send</button></form>
</section>"""

PANELS = (
    ("echo", "Echo", "A call for each message.", "hello"),
    ("talk?name=Hans", "Talk", "A loop for each client. Say <i>hello</i>, then <i>bye</i>.", "hello"),
    ("chat?roomid=lobby", "Chat", "A loop for all clients of a room.", "Is anybody here?"),
)


@package.route("/sockets")
def sockets(was):
    panels = [
        PANEL.format(url=was.ab(f"/websocket/{path}"), title=title, text=text, value=value)
        for path, title, text, value in PANELS
    ]
    return page(was, __file__, "WebSockets", LEAD, '<div class="panels">', *panels, "</div>")


@package.route("/websocket/echo")
def echo(was, message=""):
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "message")
        return ""
    return "ECHO: " + message


@package.route("/websocket/talk")
def talk(was, name):
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_DEDICATE, 60, None)
        return ""
    ws = was.env["websocket"]
    for message in ws:
        if message.lower() == "bye":
            ws.send("Bye, have a nice day.")
            break  # the connection is closed when the function returns
        ws.send(f"Hello, {name}" if message.lower() == "hello" else f"You said: {message}")


@package.route("/websocket/chat")
def chat(was, roomid):
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_MULTICAST, 300, "roomid", {"notices": True})
        return ""
    ws = was.env["websocket"]
    while (messages := ws.getswait(60)) is not None:
        for client, message in messages:
            if message in (1, -1):  # who comes and goes
                what = "come" if message == 1 else "gone"
                ws.sendall(f"Client {client} has {what}; present: {len(ws.clients)}")
            else:
                ws.sendall(f"Client {client}: {message}")
