"""What bytes are that aren't text in UTF-8: compressed, another serialisation, another encoding. By their look."""

import json

_PLAIN = "send plain JSON in UTF-8"

# Which bytes a value begins with, what it is then, and the fix.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe\0\0", f"is text in UTF-32 (byte order mark): {_PLAIN}"),
    (b"\0\0\xfe\xff", f"is text in UTF-32 (byte order mark): {_PLAIN}"),
    (b"\xff\xfe", f"is text in UTF-16, little-endian (byte order mark): {_PLAIN}"),
    (b"\xfe\xff", f"is text in UTF-16, big-endian (byte order mark): {_PLAIN}"),
    (b"\x1f\x8b", "is compressed with gzip"),
    (b"x\x01", "is compressed with zlib (deflate)"),
    (b"x\x9c", "is compressed with zlib (deflate)"),
    (b"x\xda", "is compressed with zlib (deflate)"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd"),
    (b"\x04\x22\x4d\x18", "is compressed with lz4"),
    (b"\x82SNAPPY\0", "is compressed with snappy"),
    (b"\xff\x06\0\0sNaPpY", "is compressed with snappy"),
    (b"BZh", "is compressed with bzip2"),
    (b"PK\x03\x04", "is a zip file"),
    (b"Obj\x01", f"is an Avro file: {_PLAIN}"),
    (b"\xac\xed\0\x05", f"is a serialised Java object: {_PLAIN}, for instance with Kafka's StringSerializer"),
)
_COMPRESSED = f"{_PLAIN} (compression.type of the producer compresses batches and is no trouble)"
_REGISTRY = (
    "begins with the magic byte 0 of a schema registry: an Avro, Protobuf or JSON Schema serialiser wrote it: "
    f"{_PLAIN} with a string serialiser"
)
_PROTOBUF = f"looks like Protocol Buffers: {_PLAIN}"
_WIDE = (("utf-32-le", "UTF-32"), ("utf-32-be", "UTF-32"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"))

# Control characters that no text has.
_NO_TEXT = frozenset(range(32)) - frozenset(b"\t\n\r\f")


def what_is(value: bytes) -> str:
    """What the value is, and the fix; empty if it is text, or looks like nothing that is known here."""
    for beginning, text in _BEGINNINGS:
        if value.startswith(beginning):
            return text if ":" in text else f"{text}: {_COMPRESSED}"
    for codec, name in _WIDE:
        if value[:8].startswith(tuple(sign.encode(codec) for sign in '{["')):
            return f"is text in {name}: {_PLAIN}"
    if value[0] == 0 and len(value) > 5:
        return _REGISTRY
    if not _NO_TEXT.isdisjoint(value[:64]):
        if _is_protobuf(value):
            return _PROTOBUF
        if _NO_TEXT.intersection(value[:2]) or b'"' not in value:
            return _binary(value)
    return ""


def why_not_utf8(value: bytes) -> str:
    """What bytes are that aren't UTF-8, and the fix."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return "ends in the middle of a character, as if cut off: send the whole event"
    if not _NO_TEXT.isdisjoint(value) or value[0] >= 0x80:
        return _binary(value)
    if _is_json(value.decode("latin-1")):
        return f"is JSON, but not in UTF-8 ({_encoding(value)} by its look): send it in UTF-8"
    return "is not UTF-8 text: send JSON in UTF-8"


def _binary(value: bytes) -> str:
    if b"subId" in value:
        return f"is binary with names of fields in it (MessagePack, CBOR or BSON by its look): {_PLAIN}"
    return f"is binary and not text: {_PLAIN}"


def _encoding(value: bytes) -> str:
    """Cyrillic words are many such bytes in a row; letters with accents stand alone."""
    high = [byte >= 0x80 for byte in value]
    in_rows = any(all(high[place : place + 3]) for place in range(len(high) - 2))
    return "Windows-1251" if in_rows else "Latin-1 or Windows-1252"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_protobuf(value: bytes) -> bool:
    """Whether the bytes are fields of Protocol Buffers' wire format to the last one."""
    place, fields = 0, 0
    while place < len(value):
        tag, place = _varint(value, place)
        kind = tag & 7
        if tag >> 3 == 0 or tag >> 3 > 1000 or kind not in (0, 1, 2, 5):
            return False
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind != 1 and kind != 5:
            number, place = _varint(value, place)
            size = number if kind == 2 else 0
        place += size
        fields += 1
    return place == len(value) and fields > 0


def _varint(value: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it; where none is, a place behind the end."""
    number = 0
    for shift in range(0, 64, 7):
        if place >= len(value):
            return 0, len(value) + 1
        byte = value[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    return 0, len(value) + 1
