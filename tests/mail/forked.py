"""Agents that begin at once: forked off a process that has imported all there is to import, so that a kill
hits one
that delivers and not one that starts."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from skitai.cli import smtpda

# What the command loads when it needs it.
smtpda.agent.Agent  # noqa: B018
smtpda.claim.Claim  # noqa: B018

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__])


def agent(home: Path, server: str) -> BaseProcess:
    """One that has begun, and tries again for ever."""
    process = _FORKING.Process(target=_run, args=(str(home), server), daemon=True)
    process.start()
    return process


def _run(home: str, server: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    arguments = ["--home", home, "--smtpserver", server, "--max-retry", "1000"]
    sys.exit(smtpda.main([*arguments, "--retry-delay", "20ms", "--retry-delay-max", "100ms"]))
