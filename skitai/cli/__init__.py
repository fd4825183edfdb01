"""The commands: ``skitai`` (`main`) and ``skitaid-instance`` (`instance`)."""
