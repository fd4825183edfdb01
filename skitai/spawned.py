"""What children of ``multiprocessing`` are told is our main module, if they are other interpreters (spawn,
forkserver).

Such a child runs its parent's main module first, under the name ``__mp_main__``; then it looks up by name
what it is to do.  Of a server it would load all of the server, for nothing; and the files of mounted
folders have names that only the server knows.  So this module stands in for the main one (`stand_in`): run
in a child, it mounts the same folders.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

from skitai.core.apps import folders

__all__ = ["stand_in"]


def stand_in() -> None:
    """From here on children of this process run this module."""
    sys.modules["__main__"].__spec__ = ModuleSpec("skitai.spawned", None)


if __name__ == "__mp_main__":
    folders.mount_again()
