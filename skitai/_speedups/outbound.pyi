from skitai._pure.engine import OutboundConnection as PureOutboundConnection

SOURCE_CRC32: int

class OutboundConnection(PureOutboundConnection): ...
