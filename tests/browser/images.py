"""Screenshots small enough for a repository: a picture of 256 colours, as a page has few, written by hand.

A page's picture has large plains of one colour; Chromium writes 32 bits for each of its points. Here a point is one
byte that names a colour, and zlib does the rest. No library for pictures is needed.
"""

import struct
import zlib
from collections import Counter
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256


def save(path: Path, png: bytes) -> None:
    """Write a picture of Chromium's (8 bits, RGB or RGBA) with a palette."""
    width, height, points = _read(png)
    palette, names = _reduce(points)
    rows = [b"\x00" + bytes(names[point] for point in points[y * width : (y + 1) * width]) for y in range(height)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        _SIGNATURE
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", b"".join(bytes(colour) for colour in palette))
        + _chunk(b"IDAT", zlib.compress(b"".join(rows), 9))
        + _chunk(b"IEND", b"")
    )


Colour = tuple[int, int, int]


def _read(png: bytes) -> tuple[int, int, list[Colour]]:
    at, data, head = len(_SIGNATURE), b"", b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IHDR":
            head = png[at + 8 : at + 8 + length]
        elif kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, form, *_ = struct.unpack(">IIBBBBB", head)
    size = {2: 3, 6: 4}[form]
    if depth != 8:
        raise ValueError("8 bits for each colour are expected")
    raw = _unfilter(zlib.decompress(data), row=width * size, size=size)
    return width, height, [(raw[i], raw[i + 1], raw[i + 2]) for i in range(0, len(raw), size)]


def _unfilter(data: bytes, *, row: int, size: int) -> bytearray:
    out = bytearray()
    before = bytearray(row)
    for start in range(0, len(data), row + 1):
        kind, line = data[start], bytearray(data[start + 1 : start + 1 + row])
        for i in range(row):
            left = line[i - size] if i >= size else 0
            if kind == 1:
                line[i] = (line[i] + left) & 255
            elif kind == 2:
                line[i] = (line[i] + before[i]) & 255
            elif kind == 3:
                line[i] = (line[i] + (left + before[i]) // 2) & 255
            elif kind == 4:
                line[i] = (line[i] + _paeth(left, before[i], before[i - size] if i >= size else 0)) & 255
        out += line
        before = line
    return out


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    by_left, by_above, by_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
    if by_left <= by_above and by_left <= by_corner:
        return left
    return above if by_above <= by_corner else corner


def _reduce(points: list[Colour]) -> tuple[list[Colour], dict[Colour, int]]:
    """The most frequent colours; each other one is the nearest of them. Between text and paper nobody sees it."""
    counted = Counter(points)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    names = {colour: number for number, colour in enumerate(palette)}
    for colour in counted:
        if colour not in names:
            near = min(palette, key=lambda one: sum((a - b) ** 2 for a, b in zip(one, colour, strict=True)))
            names[colour] = names[near]
    return palette, names


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
