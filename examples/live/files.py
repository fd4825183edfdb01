"""What the server makes of files: the same stylesheet asked for in several ways, through `was`."""

from skitai.saddle import Package

from .page import page, table

package = Package()

LEAD = """No code of this site serves its files: the server does, with tags, ranges, and compressed
where the client can read that. Here <code>/style.css</code> is asked for in several ways."""

FILE = "@shops/style.css"


@package.route("/files")
def files(was):
    plain = was.get(FILE, headers={"Accept-Encoding": "identity"}).getwait(2)
    if plain.status != 3:
        return page(was, __file__, "Files", LEAD, f'<p class="note">{plain.code} {plain.msg}</p>')
    asked = {
        "as it is": {"Accept-Encoding": "identity"},
        "by a client that reads gzip": {"Accept-Encoding": "gzip"},
        "by one that has it already": {"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]},
        "its first 100 bytes": {"Range": "bytes=0-99", "Accept-Encoding": "identity"},
        "behind its end": {"Range": "bytes=1000000-", "Accept-Encoding": "identity"},
    }
    calls = {how: was.get(FILE, headers=headers) for how, headers in asked.items()}
    rows = []
    for how, call in calls.items():
        result = call.getwait(2)
        field = result.headers.get
        rows.append(
            (
                how,
                f"{result.code} {result.msg}",
                field("content-length", "-"),
                field("content-encoding", "-"),
                field("content-range", "-"),
            )
        )
    names = ["asked for", "answer", "Content-Length", "Content-Encoding", "Content-Range"]
    note = '<p>Small files are kept ready in memory, and <a href="/ping">/ping</a> is built in.</p>'
    return page(was, __file__, "Files", LEAD, table(names, rows), note)
