"""The commands: ``skitai`` (`main`), ``skitaid``, ``skitaid-instance`` (`instance`), ``skitaid-smtpda``
(`smtpda`), ``install-win32-service`` (`win32service`)."""
