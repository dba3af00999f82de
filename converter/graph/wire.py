"""Protobuf messages written piece by piece, where a library would hold them whole, more than once.

A message that is written in two pieces is read as one: lists go on, and messages inside it are merged
(https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

Pieces = list[bytes]


def inside(pieces: Pieces, *numbers: int) -> Pieces:
    """A message, or bytes, as a field: in the field of the first number, inside that in the field of the second, …"""
    for number in reversed(numbers):
        pieces = [_varint(number << 3 | 2) + _varint(sum(map(len, pieces))), *pieces]
    return pieces


def _varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte, the low ones first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
