"""The master of an instance: starts its workers, restarts them, reloads without loss.

    starting.py   what is done while it may still be root
    master.py     decides: one thread, one loop over signals, workers and clocks
    waiting.py    signals and sockets, for that loop
    generation.py one reading of the settings
    workers.py    the workers there are, and what they have of the master
    child.py      one worker process, from its start to its end
    desk.py       what operators, health checks and Prometheus may ask; admin.py: the HTTP for that
    handover.py   the master becomes another version of itself
    recycling.py  which worker has served for long enough
    sockets.py    the listening sockets, which outlive every worker

It stays small and can hardly fail: it runs no application, and imports neither the kernels nor the
server (a contract of ``make lint``).  Workers are spawned, never forked: `skitai.worker`.

All workers accept from the same sockets.  With a socket for each (SO_REUSEPORT) the system would
give connections to a worker that is about to end, and reset those that it has not accepted by then:
88 of 200 in a trial on Linux 6.18, none of 200 with a shared one (unless net.ipv4.tcp_migrate_req
is set, which is nobody's default).

Each connection wakes every worker that rests (no EPOLLEXCLUSIVE).  That costs up to 20 us for each
connection with 8 workers, and nothing under load, when nobody rests.  The system knows only
who waits for events, not who waits for the GIL: with two workers of which one was held up for
20 ms at a time, 51 connections a second were accepted with EPOLLEXCLUSIVE, without it 10,300.
"""
