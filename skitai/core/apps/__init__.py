"""Applications: found, loaded each for itself, reloaded.

`folders` keeps the files of different folders apart, `loader` goes from a target to a callable,
`reports` words its failures, `sources` knows the files, `mounted` is what the gateway holds;
`greenthreads` refuses what a server with threads cannot run, `lifecycle` tells an application of its life.
"""

from __future__ import annotations

from skitai.core.apps.greenthreads import refusing_green_threads
from skitai.core.apps.loader import WSGIApplication, load_application
from skitai.core.apps.mounted import MountedApp

__all__ = ["MountedApp", "WSGIApplication", "load_application", "refusing_green_threads"]
