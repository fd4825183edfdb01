"""Multipart bodies made by hand, so that they may also be wrong."""

from __future__ import annotations

BOUNDARY = "----Boundary7"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(head: str, data: bytes, encoding: str = "utf-8") -> bytes:
    return f"--{BOUNDARY}\r\n".encode() + head.encode(encoding) + b"\r\n\r\n" + data + b"\r\n"


def text(name: str, value: str, encoding: str = "utf-8") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value.encode(encoding), encoding)


def file(name: str, filename: str, data: bytes, mimetype: str = "text/plain") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {mimetype}'
    return part(head, data)


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
