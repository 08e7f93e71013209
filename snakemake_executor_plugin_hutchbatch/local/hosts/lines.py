"""Splits a container's output into log lines."""

from __future__ import annotations

#: Bytes of one CloudWatch Logs event at most, without its own 26 bytes of overhead:
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
LONGEST = 256 * 1024 - 26


class LineSplitter:
    """Turns bytes into whole decoded lines; invalid UTF-8 is replaced, never refused."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes, without their ends."""
        self._pending += data
        *lines, rest = bytes(self._pending).split(b"\n") if b"\n" in data else [self._pending]
        self._pending = bytearray(rest)
        found = [piece for line in lines for piece in self._pieces(bytes(line))]
        if len(self._pending) > self._longest:
            *pieces, rest = self._cut(bytes(self._pending))
            self._pending = bytearray(rest)
            found += [piece.decode(errors="replace") for piece in pieces]
        return found

    def finish(self) -> list[str]:
        """The last line, if it had no end."""
        rest, self._pending = bytes(self._pending), bytearray()
        return self._pieces(rest) if rest else []

    def _pieces(self, line: bytes) -> list[str]:
        return [piece.decode(errors="replace") for piece in self._cut(line.removesuffix(b"\r"))]

    def _cut(self, line: bytes) -> list[bytes]:
        """``line`` in pieces no longer than allowed, never split within a character."""
        pieces = []
        while len(line) > self._longest:
            end = self._longest
            while end > self._longest - 4 and line[end] & 0xC0 == 0x80:  # a continuation byte
                end -= 1
            pieces.append(line[:end])
            line = line[end:]
        return [*pieces, line]
