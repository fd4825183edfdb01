"""A stream of events: a generator that waits between its pieces without keeping a thread."""

import json
import math

import skitai
from skitai.saddle import Package

from .page import page

package = Package()

LEAD = """The function returns a generator; each piece is on its way before the next one is made. While
it waits it keeps no thread, where Skitai is compiled. The browser reads the stream by
<code>EventSource</code>, and draws it."""

SHOWN = """<div class="panel" data-events="{url}"><svg class="chart line" viewBox="0 0 600 120" role="img">
<title>The values of the stream</title><polyline points=""/></svg><p><output>waiting…</output></p></div>"""

EVENTS = 40


@package.route("/events")
def events(was):
    return page(was, __file__, "Event stream", LEAD, SHOWN.format(url=was.ab("stream")))


@package.route("/events/stream")
def stream(was):
    was.response["Content-Type"] = "text/event-stream"
    was.response["Cache-Control"] = "no-store"

    def values():
        for number in range(EVENTS):
            value = math.sin(number / 4) * math.exp(-number / 30)
            yield f"data: {json.dumps({'number': number, 'value': round(value, 4), 'of': EVENTS})}\n\n"
            skitai.sleep(0.025)
        yield "event: end\ndata: \n\n"

    return values()
