"""Connections that are closed if the server is too slow, so that no download waits forever.

A server that sends a byte now and then never causes a timeout between two reads. So zoo counts the
received bytes, including headers, and closes a connection with less than `FLOOR_BYTES` per second
over `WINDOW_SECONDS` of waiting. This applies to zoo's own downloads and to those of the hub's
client.

Not here: what is downloaded, and how often a connection is retried (`zoo.data.download`).
"""

from __future__ import annotations

import http.client
import importlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

FLOOR_BYTES: Final = 1000
"""A second."""
WINDOW_SECONDS: Final = 30.0


class SlowServerError(ConnectionError):
    """Sent too little for too long."""


class Floor:
    """Counts the bytes of one response from its start."""

    def __init__(self) -> None:
        self._begun = False
        self._num_bytes, self._seconds = 0, 0.0

    def count(self, num_bytes: int, seconds: float) -> None:
        """Count bytes, and the seconds that were waited for them.

        The first ones only begin the count: a server may think before it answers.

        Raises:
            SlowServerError: if too few came in a whole window.
        """
        if not self._begun:
            self._begun = True
            return
        self._num_bytes += num_bytes
        self._seconds += seconds
        if self._seconds < WINDOW_SECONDS:
            return
        if self._num_bytes < FLOOR_BYTES * self._seconds:
            raise SlowServerError(
                f"the server is too slow: {self._num_bytes:,} bytes in {self._seconds:.0f} s; the "
                f"limit is {FLOOR_BYTES:,} bytes per second"
            )
        self._num_bytes, self._seconds = 0, 0.0


class FloorAdapter(HTTPAdapter):
    """Sends the requests of a session over connections that have a floor."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pool of connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Return the pool of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def open_session(adapter: HTTPAdapter | None = None) -> requests.Session:
    """Return a session whose connections have a floor.

    Args:
        adapter: a `FloorAdapter` that does more; None for a plain one.
    """
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter or FloorAdapter())
    return session


@contextmanager
def hub_with_floor() -> Iterator[None]:
    """Let what the hub's client downloads in the block have a floor too.

    Its Xet transfers, which go past its HTTP client, are off meanwhile.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    client: Any = get_session()
    is_old = isinstance(client, requests.Session)  # of its versions before 1.0
    kept = client.adapters if is_old else client.event_hooks
    xet = getattr(constants, "HF_HUB_DISABLE_XET", False)
    try:
        constants.HF_HUB_DISABLE_XET = True
        if is_old:
            client.adapters = open_session().adapters
        else:
            client.event_hooks = {**kept, "response": [*kept["response"], _meter(client)]}
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = xet
        setattr(client, "adapters" if is_old else "event_hooks", kept)


def _meter(client: Any) -> Any:
    """Return what puts a floor under each answer of a client of the httpx family."""
    httpx: Any = importlib.import_module(type(client).__module__.partition(".")[0])

    class Metered(httpx.SyncByteStream):  # type: ignore[misc]  # a class the client checks for
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            floor, pieces = Floor(), iter(self._stream)
            while True:
                since = time.monotonic()
                piece = next(pieces, b"")
                if not piece:
                    return
                floor.count(len(piece), time.monotonic() - since)
                yield piece

        def close(self) -> None:
            self._stream.close()

    def meter(response: Any) -> None:
        response.stream = Metered(response.stream)

    return meter


class _Metered(io.RawIOBase):
    """What a socket gives, counted."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._floor = Floor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        since = time.monotonic()
        received: int | None = self._raw.readinto(buffer)
        if received:
            self._floor.count(received, time.monotonic() - since)
        return received

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fp = io.BufferedReader(_Metered(self.fp.detach()))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}
