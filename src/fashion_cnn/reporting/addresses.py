"""Addresses of databases and servers, which may hold a password, on their way to a person."""

import re
from urllib.parse import unquote

_QUERY = re.compile(r"([?&][^=&#?]*=)([^&#]*)")
_OWNER = re.compile(r"(://[^:/?@]*:)(.*)@", re.DOTALL)
_TOKEN = re.compile(r"(https?://)([^:/?@]*)@")
_SHORTEST = 4  # of a password's parts that are looked for: shorter ones are in every word


def without_password(address: str) -> str:
    """An address, valid or not, with *** in place of a password, a token and a query's values."""
    shown = _QUERY.sub(r"\1***", address)
    return _TOKEN.sub(r"\1***@", _OWNER.sub(r"\1***@", shown))


def told_without(message: str, address: str) -> str:
    """What a library says of an address, which it may repeat, whole or in parts."""
    message = message.replace(address, without_password(address))
    found = _QUERY.findall(address)
    rest = _QUERY.sub(r"\1", address)
    found += _OWNER.findall(rest) + _TOKEN.findall(rest)
    parts = {part for _, secret in found for part in (secret, *re.split(r"[:/?#@]", secret))}
    parts |= {unquote(part) for part in parts}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            message = message.replace(part, "***")
    return message
