"""How the text of a setting becomes a value: lists, spans of time, sums, URLs. What is wrong raises ValueError."""

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def _strip(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _comma_list(value: object) -> object:
    return split(value) if isinstance(value, str) else value


def split(value: str) -> list[str]:
    """The parts between commas, without what is empty."""
    return [part.strip() for part in value.split(",") if part.strip()]


Stripped = Annotated[str, BeforeValidator(_strip)]


def _durations(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = [_read_duration(part) for part in value.split(",")]
    if None in found:
        raise ValueError("is not a list of pauses")
    return found


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _read_duration(value)
    if not found:
        raise ValueError("is not a span of time")
    return found


def _read_duration(text: str) -> timedelta | None:
    match = re.fullmatch(r"([0-9]{1,4})([mhd])", text.strip())
    units = {"m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{units[match[2]]: int(match[1])}) if match else None


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Kept = Annotated[timedelta | None, BeforeValidator(_duration)]
Durations = Annotated[list[timedelta], NoDecode, BeforeValidator(_durations)]
CommaList = Annotated[list[str], NoDecode, BeforeValidator(_comma_list)]


def _sums(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = [re.fullmatch(r"\s*([A-Za-z]{3}):([0-9]{1,12})\s*", part) for part in value.split(",")]
    if not all(found):
        raise ValueError("is not a list of sums")
    return {match[1].upper(): int(match[2]) for match in found if match}


Sums = Annotated[dict[str, int], NoDecode, BeforeValidator(_sums)]


def check_url(value: str, *, schemes: tuple[str, ...], needs_path: bool) -> str:
    """The same, if it is a URL with one of these schemes. Raises ValueError."""
    try:
        url = urlsplit(value)
        port_is_a_number = url.port is None or url.port > 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in schemes or not url.hostname or not port_is_a_number:
        raise ValueError("is not a " + " or ".join(f"{scheme}://" for scheme in schemes) + " URL")
    if needs_path and not url.path.strip("/"):
        raise ValueError("names no database")
    return value
