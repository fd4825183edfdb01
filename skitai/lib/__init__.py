"""What applications may import beside the server: `skitai.lib.producers`."""
