"""The service of Windows, as its service manager loads it (pywin32): a shell around `keeper`.

It hears one word, stop, as an event of the system; everything else stands in `keeper` and below.
"""

from __future__ import annotations

import servicemanager
import win32event
import win32service
import win32serviceutil

from skitai.daemon.winservice import NAME, TITLE, keep

__all__ = ["SkitaidService"]


class SkitaidService(win32serviceutil.ServiceFramework):  # type: ignore[misc]  # pywin32 has no types
    _svc_name_ = NAME
    _svc_display_name_ = TITLE

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._is_wanted_to_end = win32event.CreateEvent(None, 0, 0, None)

    def SvcStop(self) -> None:
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING)
        win32event.SetEvent(self._is_wanted_to_end)

    def SvcDoRun(self) -> None:
        servicemanager.LogMsg(
            servicemanager.EVENTLOG_INFORMATION_TYPE, servicemanager.PYS_SERVICE_STARTED, (NAME, "")
        )
        keep(self._wait)

    def _wait(self, seconds: float) -> bool:
        ended = win32event.WaitForSingleObject(self._is_wanted_to_end, int(seconds * 1000))
        return bool(ended == win32event.WAIT_OBJECT_0)
