"""The delivery agent of e-mail, ``skitaid-smtpda``: from the spool to the servers that take our mail.

    claim.py      one agent for a spool
    agent.py      the main thread: which letter is due, and signals
    lanes.py      how many threads deliver, and for which server
    courier.py    one of them, with a connection that it keeps
    delivery.py   one attempt at a letter, and what is written down about it
    session.py    one connection to a server, by smtplib
    report.py     what is in the spool, for people and for programs

What it has to know is in the spool (`skitai.core.mail`): an agent may be killed at any time, and the next one
goes on.  It needs POSIX: named pipes and locks that end with their process.
"""
