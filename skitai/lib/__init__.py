"""What applications may import, or sites mount, beside the server.

| module | one sentence |
|---|---|
| `producers` | bodies made piece by piece |
| `roomscript` | the script for pages that are in a room |
"""
