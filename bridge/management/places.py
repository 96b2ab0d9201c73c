"""Places in a topic as an operator types them."""

from argparse import ArgumentTypeError

from bridge.kafka import Where, read_where


def read_place(text: str) -> Where:
    """For argparse: as `read_where`, with its words."""
    try:
        return read_where(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
