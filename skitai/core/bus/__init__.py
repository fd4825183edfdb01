"""The bus: what one process says to a room reaches the clients that the room has in all processes.

| module | one sentence |
|---|---|
| `frames` | what is said over a bus, and its bytes |
| `history` | the last messages of a room, and which are gone |
| `hub` | numbers messages, keeps histories, and knows how far each process has got; no I/O |
| `local` | the hub of a process that is alone |
| `line` | the way to the hub of a master (`skitai.master.relay`) |
| `remote` | a server in the place of the hub, for several hosts; what happens when it is gone |
| `carriers`, `redis`, `resp`, `postgres` | which server; Redis, and its protocol; PostgreSQL |
| `patience` | waiting for room in the queue of a bus |

    handler ──say──▶ `Bus` ──▶ hub: a number ──▶ each process that has the room ──▶ its clients

A message comes to the clients of the process that has said it the same way as to all others, so all of a room
see one order, and the same numbers.
"""
