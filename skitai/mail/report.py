"""What is in the spool: as a dict for programs, as text for people.

Read from the files alone, by any process that may read them, whether an agent runs or not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skitai.core.config.smtpservers import SmtpServer
from skitai.core.mail.bell import ring
from skitai.core.mail.letter import BadLetter, Letter
from skitai.core.mail.spool import MailSpool

__all__ = ["as_text", "letters", "status"]


def status(spool: MailSpool, server: SmtpServer) -> dict[str, Any]:
    """``server``: of letters that name none.  ``agent``: its process, 0 where none runs."""
    now = time.time()
    waiting = [letter for letter in letters(spool, spool.waiting) if "unreadable" not in letter]
    servers: dict[str, dict[str, Any]] = {}
    for letter in waiting:
        one = servers.setdefault(letter["server"] or str(server), {"waiting": 0, "deferred": 0, "reason": ""})
        one["waiting"] += 1
        if letter["attempts"]:
            one["deferred"] += 1
            one["reason"] = letter["reason"]
    return {
        "agent": spool.agent() if ring(spool.folder, "") else 0,
        "spool": str(spool.folder),
        "waiting": len(waiting),
        "bytes": sum(letter["bytes"] for letter in waiting),
        "deferred": sum(letter["attempts"] > 0 for letter in waiting),
        "oldest_seconds": round(max((now - letter["queued"] for letter in waiting), default=0.0)),
        "undelivered": len(spool.names(spool.undelivered)),
        "servers": servers,
    }


def letters(spool: MailSpool, folder: Path) -> Iterator[dict[str, Any]]:
    """Of each letter in ``folder`` what its envelope and its journal say; no passwords."""
    for name in spool.names(folder):
        try:
            letter = spool.letter(folder, name)
        except FileNotFoundError:
            continue
        except (BadLetter, OSError) as error:
            yield {"id": name, "unreadable": str(error)}
        else:
            yield _of(letter)


def _of(letter: Letter) -> dict[str, Any]:
    envelope, state = letter.envelope, letter.state
    return {
        "id": letter.name,
        "queued": letter.queued,
        "from": envelope.sender,
        "to": [*state.waiting, *state.refused],
        "subject": envelope.subject,
        "bytes": letter.size,
        "server": str(envelope.server) if envelope.server else "",
        "attempts": state.attempts,
        "due": state.due,
        "reason": state.reason,
        "refused": state.refused,
    }


def as_text(told: dict[str, Any]) -> Iterator[str]:
    """Lines of `status`."""
    agent = f"process {told['agent']}" if told["agent"] else "none runs: skitaid-smtpda starts one"
    yield f"agent         {agent}"
    yield f"spool         {told['spool']}"
    yield f"waiting       {told['waiting']} e-mails, {told['bytes']} bytes"
    yield f"oldest        {told['oldest_seconds']} s"
    yield f"deferred      {told['deferred']}"
    yield f"undelivered   {told['undelivered']}"
    for server, one in sorted(told["servers"].items()):
        yield f"server        {server}: {one['waiting']} waiting, {one['deferred']} deferred"
        if one["reason"]:
            yield f"              {one['reason']}"
