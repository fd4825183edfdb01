"""The Content-Type of a file, by the end of its name.

A table of our own and not the machine's ``/etc/mime.types``: the same site must be served alike
everywhere, and what the table does not know is ``application/octet-stream``, which no browser
runs.  Files of text are taken for UTF-8.

`COMPRESSIBLE` are those that become much shorter: text in all its forms, and binary ones that nobody has
compressed before.  Images, sounds, films, archives, WOFF and PDF are compressed already.
"""

from __future__ import annotations

__all__ = ["COMPRESSIBLE", "MEDIA_TYPES", "UNKNOWN", "media_type"]

#: What is not in the table.
UNKNOWN = "application/octet-stream"

_TEXT = {
    "css": "text/css",
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    # RFC 9239: text/javascript, the other names are obsolete.
    "js": "text/javascript",
    "log": "text/plain",
    "markdown": "text/markdown",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "rst": "text/plain",
    "text": "text/plain",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
}

# Those that are text too say their encoding themselves (XML) or are UTF-8 by definition (JSON).
_OTHERS = {
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "apng": "image/apng",
    "atom": "application/atom+xml",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "br": "application/x-brotli",
    "bz2": "application/x-bzip2",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eot": "application/vnd.ms-fontobject",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "geojson": "application/geo+json",
    "gif": "image/gif",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "gz": "application/gzip",
    "heic": "image/heic",
    "ico": "image/vnd.microsoft.icon",
    "jar": "application/java-archive",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "jxl": "image/jxl",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "map": "application/json",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rar": "application/vnd.rar",
    "rss": "application/rss+xml",
    "rtf": "application/rtf",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tgz": "application/gzip",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "whl": "application/zip",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xhtml": "application/xhtml+xml",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "xz": "application/x-xz",
    "zip": "application/zip",
    "zst": "application/zstd",
}

#: By what stands behind the last dot of a name, in lower case.
MEDIA_TYPES = {**{suffix: f"{type_}; charset=utf-8" for suffix, type_ in _TEXT.items()}, **_OTHERS}

#: What ``compress_types`` is by default; ``*`` stands for any part of a name.
COMPRESSIBLE = (
    "text/*",
    "application/json",
    "application/*+json",
    "application/x-ndjson",
    "application/xml",
    "application/*+xml",
    "application/javascript",
    "application/x-javascript",
    "application/wasm",
    "application/rtf",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "font/collection",
    "image/svg+xml",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
    "model/gltf+json",
)


def media_type(name: str) -> str:
    """The value of Content-Type for a file called ``name`` (its folder does not matter)."""
    _, dot, suffix = name.rpartition(".")
    return MEDIA_TYPES.get(suffix.lower(), UNKNOWN) if dot else UNKNOWN
