"""The configuration of one instance.

Text to sections (`syntax`), values to types (`kinds`, `address`), the table of all keys
(`keys`, declared in `settings`, `serverkeys` and `clusters`), routes and what they lead to
(`routelines`, `targets`), everything together with its origins (`loading`).  Made once at a start,
a check or a reload, in the main thread; what comes out is immutable and read from any thread.

    settings = load(Path("/etc/skitaid/servers-enabled/sample.conf"), environ=os.environ)
    settings.server.threads, settings.limits.body_max, settings.origin("server", "threads")
"""

from skitai.core.config.address import Address
from skitai.core.config.cacherules import CacheRule
from skitai.core.config.clusters import ClusterSettings
from skitai.core.config.describe import describe
from skitai.core.config.flags import add_flags, given_flags
from skitai.core.config.loading import for_app, load, text_of
from skitai.core.config.members import Member, MemberSource
from skitai.core.config.problems import ConfigErrors
from skitai.core.config.proxytargets import ProxyTarget
from skitai.core.config.routelines import Route
from skitai.core.config.sendroots import SendfileRoot
from skitai.core.config.serverkeys import ServerSettings
from skitai.core.config.settings import (
    HostSettings,
    ListenSettings,
    MountSection,
    MountSettings,
    Settings,
)
from skitai.core.config.targets import AppTarget, ClusterTarget, StaticTarget

__all__ = [
    "Address",
    "AppTarget",
    "CacheRule",
    "ClusterSettings",
    "ClusterTarget",
    "ConfigErrors",
    "HostSettings",
    "ListenSettings",
    "Member",
    "MemberSource",
    "MountSection",
    "MountSettings",
    "ProxyTarget",
    "Route",
    "SendfileRoot",
    "ServerSettings",
    "Settings",
    "StaticTarget",
    "add_flags",
    "describe",
    "for_app",
    "given_flags",
    "load",
    "text_of",
]
