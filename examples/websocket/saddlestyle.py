"""README, "HTML5 Web Socket": one handler of each design; mount it at ``/``."""

import skitai
from skitai.saddle import Saddle

app = Saddle(__name__)
app.debug = True
app.use_reloader = True


@app.route("/websocket/echo")
def echo(was, message=""):
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "message")
        return ""
    return "ECHO:" + message


@app.route("/websocket/talk")
def talk(was, name):
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_DEDICATE, 60, None)
        return ""

    ws = was.env["websocket"]
    while 1:
        messages = ws.getswait(10)
        if messages is None:
            break
        for m in messages:
            if m.lower() == "bye":
                ws.send("Bye, have a nice day." + m)
                ws.close()
                break
            elif m.lower() == "hello":
                ws.send("Hello, " + name)
            else:
                ws.send("You Said:" + m)


@app.route("/websocket/chat")
def chat(was, roomid):
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_MULTICAST, 60, "roomid")
        return ""

    ws = was.env["websocket"]
    while 1:
        messages = ws.getswait(10)
        if messages is None:
            break
        for client_id, m in messages:
            ws.sendall("Client %d Said: %s" % (client_id, m))  # noqa: UP031
