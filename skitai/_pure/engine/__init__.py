"""The engine of the pure build: sockets, connections and time.

The compiled build has the same names over the same rules; `skitai._kernels` chooses.
"""

from skitai._pure.engine.engine import Engine, Listener
from skitai._pure.engine.exchange import BodySink, Exchange, Meter, Part, Progress
from skitai._pure.engine.keeping import LastingFile, StandingAnswer, Witness
from skitai._pure.engine.loop import EventLoop, Timer
from skitai._pure.engine.service import Begun, Habit, Lane, Refusal, Service
from skitai._pure.engine.threads import Executor, Inline, Job, Pool, make_executor
from skitai._waiting import REQUEST, Future

__all__ = [
    "REQUEST",
    "Begun",
    "BodySink",
    "Engine",
    "EventLoop",
    "Exchange",
    "Executor",
    "Future",
    "Habit",
    "Inline",
    "Job",
    "Lane",
    "LastingFile",
    "Listener",
    "Meter",
    "Part",
    "Pool",
    "Progress",
    "Refusal",
    "Service",
    "StandingAnswer",
    "Timer",
    "Witness",
    "make_executor",
]
