"""The dashboard: one page at the private address, its login, and the WebSocket that feeds it.

    sessions.py   who may look: a password of a file, or a token that is good once
    feed.py       a snapshot (`skitai.master.live`) each second, to all who look
    pages.py      what of it is asked by HTTP, and the rules for it
    assets        dashboard.html, .css, .js; login.html, .js: nothing of them comes from elsewhere

All in the loop of the master, so it answers whatever the workers do.
"""
