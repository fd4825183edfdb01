"""README, "HTML5 Web Socket": the echo of Flask; mount it at ``/``."""

from flask import Flask, request

import skitai

app = Flask(__name__)
app.debug = True
app.use_reloader = True


@app.route("/websocket/echo")
def echo():
    if "websocket_init" in request.environ:
        request.environ["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "message")
        return ""
    return "ECHO:" + request.args.get("message")
