"""Ask several servers at once by `was`, and draw when each of them answered."""

from html import escape

from skitai.saddle import Package

from .chart import Bar, chart
from .page import page
from .shops import SHOPS

package = Package()

LEAD = """Six shops are asked for their price, and each takes its time. All requests leave before the
first answer is waited for, so the page takes as long as the slowest of them. Where Skitai is compiled,
the handler keeps no thread while it waits."""


@package.route("/fanout")
def fanout(was):
    calls = {name: was.get(f"@shops{was.ab('shop', name)}") for name in SHOPS}
    results = {name: call.getwait(2) for name, call in calls.items()}  # 2 seconds from the call on

    bars, found, wrong = [], [], []
    for name, result in results.items():
        milliseconds = result.elapsed * 1000
        if result.status == 3 and result.code == 200:
            price = result.json()["price"]
            found.append((price, name))
            bars.append(Bar(name, milliseconds, f"{milliseconds:.0f} ms, {price:.2f}"))
        else:
            wrong.append(result.msg)
            bars.append(Bar(name, milliseconds, f"{result.code} {result.msg}", failed=True))
    one_by_one = sum(bar.length for bar in bars)
    at_once = max(bar.length for bar in bars)

    if wrong:
        said = f"""<p class="note">Not all shops have answered: {escape(wrong[0])}. They are this very server,
            which <code>sample.conf</code> names as the member of <code>[@shops]</code>: is that the address
            which you see in your browser?</p>"""
    else:
        price, name = min(found)
        said = f"""<p><b>{escape(name)}</b> has it for {price:.2f}. That took <b>{at_once:.0f} ms</b>;
            one shop after the other it would have been {one_by_one:.0f} ms.</p>"""
    bars.append(Bar("all at once", at_once, f"{at_once:.0f} ms", total=True))
    bars.append(Bar("one by one", one_by_one, f"{one_by_one:.0f} ms", total=True))
    again = f'<p><a class="button" href="{was.ab("fanout")}">Ask again</a></p>'
    return page(was, __file__, "Fan-out", LEAD, said, chart("Time until each shop answered", bars), again)
