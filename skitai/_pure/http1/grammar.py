"""The productions of RFC 9110, 9112 and 3986 that are read here, as regular expressions.

Each one runs in time linear in its input: no two neighbouring repetitions can match the
same character, so a failure is found without trying the ways to share a run out.
Heads are matched as latin-1 text; whatever Unicode would call a digit or a letter is spelt out.
"""

from __future__ import annotations

import re

__all__ = [
    "ABSOLUTE_FORM",
    "AUTHORITY",
    "BAD_VALUE",
    "BARE_LF",
    "CHUNK_LINE",
    "CODINGS_THEN_CHUNKED",
    "CONTENT_LENGTH",
    "FIELD",
    "NOT_TARGET",
    "NOT_TOKEN",
    "PLAIN_CHUNK_LINE",
    "REQUEST_LINE",
    "SIMPLE_HOST",
    "SIMPLE_LENGTH",
    "SIMPLE_REQUEST_LINE",
    "STATUS_LINE",
    "TOKEN",
    "TOKEN_BYTES",
]

# token = 1*tchar                                                                   RFC 9110 section 5.6.2
# tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"
#         / DIGIT / ALPHA
_TCHAR = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
TOKEN = re.compile(f"[{_TCHAR}]+")
NOT_TOKEN = re.compile(f"[^{_TCHAR}]")
TOKEN_BYTES = frozenset(byte for byte in range(128) if TOKEN.fullmatch(chr(byte)))

# field-vchar = VCHAR / obs-text; between them SP and HTAB                          RFC 9110 section 5.5
_VALUE = r"\t\x20-\x7e\x80-\xff"
BAD_VALUE = re.compile(f"[^{_VALUE}]")

# field-line = field-name ":" OWS field-value OWS, with its CRLF                    RFC 9112 section 5
# The white space around the value is stripped afterwards: "[ \t]*" beside a class that has both
# would make a failing match quadratic.  ^ ties each match to the start of a line.
FIELD = re.compile(f"^([{_TCHAR}]+):([{_VALUE}]*)\r\n", re.MULTILINE)

BARE_LF = re.compile(rb"(?<!\r)\n")

# request-line = method SP request-target SP HTTP-version                           RFC 9112 section 3
# The target is any visible ASCII but "#", which never stands in a request-target (section 3.2);
# HTTP-version = HTTP-name "/" DIGIT "." DIGIT, in capitals (section 2.3).
REQUEST_LINE = re.compile(f'([{_TCHAR}]+) ([!"$-~]+) HTTP/([0-9])\\.([0-9])\r\n')
NOT_TARGET = re.compile('[^!"$-~]')
# The same with a target in origin-form, and method and version as nearly everybody has them: for
# simple.py.  CONNECT has another form of target (section 3.2.3).
SIMPLE_REQUEST_LINE = re.compile(
    f'(?!CONNECT )([{_TCHAR}]+) ((/[!"$->@-~]*)(?:\\?([!"$-~]*))?) HTTP/(1\\.[01])\r\n'
)

# status-line = HTTP-version SP status-code SP [ reason-phrase ]                    RFC 9112 section 4
# The second SP is required, but so many servers leave it out that every client lets them.
STATUS_LINE = re.compile(f"HTTP/([0-9])\\.([0-9]) ([1-9][0-9][0-9])(?: ([{_VALUE}]*))?\r\n")

# absolute-form = absolute-URI, of the schemes http and https                       RFC 9112 section 3.2.2
ABSOLUTE_FORM = re.compile(r"(https?)://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)

# uri-host [ ":" port ]; uri-host = IP-literal / IPv4address / reg-name             RFC 3986 section 3.2.2
# reg-name = *( unreserved / pct-encoded / sub-delims ); an IPv4address is a reg-name too.
_REG = r"\-._~!$&'()*+,;=0-9A-Za-z"
AUTHORITY = re.compile(
    rf"(?:\[(?:([0-9A-Fa-f:.]+)|[Vv][0-9A-Fa-f]+\.[{_REG}:]+)\]|[{_REG}]*(?:%[0-9A-Fa-f]{{2}}[{_REG}]*)*)"
    r"(?::[0-9]*)?"
)

# uri-host [ ":" port ] without escapes and IP-literals: for simple.py.
SIMPLE_HOST = re.compile(rf"[{_REG}]+(?::[0-9]*)?")

# Content-Length = 1*DIGIT                                                          RFC 9110 section 8.6
# 19 digits fit a signed 64-bit number but for the last few, which body_max refuses.
CONTENT_LENGTH = re.compile(r"[0-9]{1,19}")
SIMPLE_LENGTH = re.compile(r"[0-9]{1,18}")

# Transfer-Encoding = #transfer-coding; transfer-coding = token *( OWS ";" OWS transfer-parameter )
#                                                                                   RFC 9112 section 6.1
CODINGS_THEN_CHUNKED = re.compile(
    rf"(?:(?!chunked[ \t;,])[{_TCHAR}]+[ \t]*(?:;[^,]*)?,[ \t]*)+chunked", re.IGNORECASE
)

# chunk-size [ chunk-ext ] CRLF; chunk-ext = *( BWS ";" BWS chunk-ext-name ... )    RFC 9112 section 7.1
# The extension is read as any text, since nobody uses it and no one's reading may differ.
CHUNK_LINE = re.compile(rf"([0-9A-Fa-f]{{1,16}})(?:[ \t]*;[{_VALUE}]*)?\r\n")
# The same as nearly everybody sends it, to be found in the bytes of a buffer.
PLAIN_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
