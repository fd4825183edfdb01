"""skitaid: keeps the servers of a machine running, and the agent that delivers their e-mail.

    states.py       where a program stands, and all the ways from there: a table
    supervisor.py   decides, without I/O: events in, actions out
    enabled.py      which servers there should be, by the files of servers-enabled
    children.py     their processes, and what they tell of themselves
    service.py      around it: processes, signals, clocks
    keeper.py       the same where there are no signals, for Windows
    winservice.py   the service of Windows and its installing; win32.py is what pywin32 loads
    control.py      what operators ask for, over a unix socket

It has one thread, loads no application and no kernel, and speaks with the programs by signals and by the
protocol of systemd (`skitai.notify`), so a program of either is one of the other.
"""
