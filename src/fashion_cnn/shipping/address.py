"""Where the server listens, for whom, and what to type to get there."""

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass

from fashion_cnn.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WILDCARDS = ("0.0.0.0", "::")
_LEAST_TOKEN = 16
_UNTAKEN_MILLISECONDS = 15_000  # after them the system ends a connection whose client takes nothing
_LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_READ_BY_BROWSERS = re.compile("%(20|22|3c|3e|60)", re.IGNORECASE)
"""What a browser writes for a character of a token behind the #, and reads as that."""
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of nobody, beyond the router. Source: RFC 5737, RFC 3849, for documentation."""


@dataclass(frozen=True)
class Address:
    """Where to listen and for whom.

    Attributes:
        host: an address; one that is not this machine's own needs a token. 0.0.0.0 and :: are
            all that the machine has.
        port: 0 for any free one.
        token: what clients must send; None for no such need.
        allow_hosts: further names that requests may ask this server for.

    Raises:
        UsageError: the host is open to others and there is no token, or a short one; or what is
            allowed is no name.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allow_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.host and all(self.allow_hosts)):
            raise UsageError("--host or --allow-host is empty; name an address, or leave it out")
        if self.host not in LOOPBACK and not self.token:
            raise UsageError(
                f"--host {self.host} opens the server to others; set a token of at least "
                f"{_LEAST_TOKEN} characters with $FASHION_CNN_TOKEN or --token"
            )
        if self.token is not None and (
            len(self.token) < _LEAST_TOKEN
            or not (self.token.isascii() and self.token.isprintable())
            or self.token != self.token.strip()  # a browser's headers and forms lose what is there
            or _READ_BY_BROWSERS.search(self.token)
        ):
            raise UsageError(
                f"the token must have at least {_LEAST_TOKEN} plain characters, no blank at either "
                "end, and no %20, %22, %3C, %3E or %60"
            )
        object.__setattr__(self, "host", canonical(self.host))
        object.__setattr__(self, "allow_hosts", tuple(map(_allowed, self.allow_hosts)))

    @classmethod
    def opened(
        cls, host: str, port: int, token: str | None, allow_hosts: tuple[str, ...]
    ) -> tuple["Address", bool]:
        """An address, with a token of its own where one is needed and none is given.

        Returns:
            It, and whether the token was made here. Raises as the constructor.
        """
        made = host not in LOOPBACK and not token
        return cls(
            host, port, secrets.token_urlsafe(_LEAST_TOKEN) if made else token, allow_hosts
        ), made

    @property
    def is_wildcard(self) -> bool:
        """Whether it is every address that the machine has."""
        return self.host in _WILDCARDS

    @property
    def family(self) -> socket.AddressFamily:
        """Of the socket: IPv6 for an address with colons."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def listen(self) -> socket.socket:
        """Open the socket. Raises `UsageError`: it is taken, or not this machine's."""
        # By name: asyncio sends without delay (TCP_NODELAY) only on sockets said to be TCP's, and
        # with delay a client that keeps its connection waits 40 ms for every answer.
        listening = None
        try:
            listening = socket.socket(self.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # also when we have closed and it takes nothing
                option = socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_MILLISECONDS
                listening.setsockopt(*option)
            listening.bind((self.host, self.port))
            listening.listen()
        except OSError as error:
            if listening:
                listening.close()
            raise UsageError(f"{self.host}:{self.port} cannot be used: {error.strerror}") from None
        return listening

    def url(self, port: int) -> str:
        """What to type into a browser; for a wildcard, in one on another machine too.

        Args: port: that the socket got.
        """
        host = _own_address(self.family) if self.is_wildcard else self.host
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _allowed(given: str) -> str:
    """A further name as requests have it. Raises `UsageError` for what none could match."""
    bare = given[1:-1] if given.startswith("[") and given.endswith("]") else given
    name = canonical(bare).lower()
    if not (_HOST_NAME.fullmatch(name) or is_ip(name)):
        raise UsageError(
            f"--allow-host {given:.60} is no name that a request could ask for; give one alone, as "
            "shoes.example or fd00::5: no https://, port, path, * or comma, and the option again "
            "for each"
        )
    return name


def is_ip(name: str) -> bool:
    """Whether it is an address in numbers, which browsers can write: none of one interface."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return "%" not in name


def canonical(host: str) -> str:
    """An address as browsers write it; a name as it is."""
    try:
        return str(ipaddress.ip_address("0.0.0.0" if host == "0" else host))
    except ValueError:
        return host


def _own_address(family: socket.AddressFamily) -> str:
    """The address that this machine has for others; its loopback's if it has no other."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_ELSEWHERE[family], 9))  # chooses a route; nothing is sent
            return probe.getsockname()[0]
        except OSError:  # no route leads out
            pass
    try:
        return str(socket.getaddrinfo(socket.gethostname(), None, family)[0][4][0])
    except OSError:
        return "::1" if family == socket.AF_INET6 else "127.0.0.1"
