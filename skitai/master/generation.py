"""One reading of the settings, and what was made of it; workers belong to one."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from skitai.core.config import Settings
from skitai.core.logs.journal import Journal
from skitai.core.logs.options import LogOptions
from skitai.launch import Launch

__all__ = ["Generation"]


@dataclass(slots=True)
class Generation:
    number: int
    launch: Launch
    settings: Settings
    sockets: Sequence[socket.socket]
    journal: Journal
    #: One of its workers has been ready.
    is_proven: bool = False
    #: What its first worker could not serve.
    broken: frozenset[str] = field(default_factory=frozenset)

    def journal_for(self, launch: Launch, settings: Settings) -> Journal:
        """Of a next one: this one's where it says the same about logs.  Raises ConfigError."""
        folder, options = launch.log_folder(settings), LogOptions.of(settings.server)
        if (folder, options) == (self.launch.log_folder(self.settings), LogOptions.of(self.settings.server)):
            return self.journal
        return Journal(folder, console=launch.verbose, options=options)

    def refuse_new_problems(self, settings: Settings) -> None:
        """Routes that cannot be served are no reason not to start, but not to replace what can be."""
        known = {problem.message for problem in self.settings.problems}
        for problem in settings.problems:
            if problem.message not in known:
                raise problem
