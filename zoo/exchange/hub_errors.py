"""Explains errors of the hub's client in one paragraph with a remedy.

Not here: requests to the hub (`zoo.exchange.hub`).
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, TypeGuard

from zoo.errors import MachineError, WeightsError, ZooError
from zoo.text import plain

_LOGIN: Final = (
    "log in with `hf auth login`, or set HF_TOKEN to a token with this permission "
    "(https://huggingface.co/settings/tokens)"
)
_FULL: Final = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is exceeded; free some space",
    errno.EFBIG: "the file would exceed the size limit of this process",
}
_OF_DISK: Final = frozenset(
    {*_FULL, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR, errno.ENAMETOOLONG}
)
_LOGIN_IN_ADDRESS: Final = re.compile(r"//[^/@\s]*@")
_NOTHING: Final = {
    "pulled": "nothing was kept, and existing files are intact",
    "pushed": "nothing was committed",
}


@contextmanager
def explained(repository: str, endpoint: str, done: str) -> Iterator[None]:
    """Turn what the hub's client raises into errors that say what to do.

    Args:
        repository: what was requested.
        endpoint: whom.
        done: what would have been done, `pushed` or `pulled`.

    Raises:
        WeightsError: if the hub refused.
        MachineError: if it could not be asked, or the disk is full.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # an answer that is no hub's makes the client raise anything
        raise _explain(error, repository, endpoint, done) from error


def _connection_errors() -> tuple[type[Exception], ...]:
    """Return what a broken connection raises, of whichever HTTP library the client stands on."""
    from huggingface_hub.errors import HfHubHTTPError

    return tuple(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")


def _explain(error: Exception, repository: str, endpoint: str, done: str) -> ZooError:
    from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError

    cause = _cause(error)
    nothing = _NOTHING[done]
    if isinstance(cause, RevisionNotFoundError):
        return WeightsError(f"{repository} on {endpoint} has no such revision; {nothing}")
    if isinstance(cause, HfHubHTTPError):
        return _refused(cause, repository, endpoint, nothing)
    if _is_local(cause):
        told = _FULL.get(cause.errno or 0, f"{cause.strerror}: {cause.filename}")
        return MachineError(f"{repository} could not be {done}: {told}; {nothing}")
    if isinstance(cause, (OSError, *_connection_errors())):
        return MachineError(
            f"{repository} could not be {done}: the connection to {endpoint} failed "
            f"({_one_line(cause)}); {nothing}. Check the network, then try again"
        )
    if isinstance(cause, UnicodeEncodeError):  # of a header: what is not ASCII is a bad token
        return WeightsError(
            f"the token contains a character that tokens cannot have; {nothing}. {_login()}"
        )
    return WeightsError(
        f"{repository} could not be {done}: {endpoint} and the hub's client are incompatible "
        f"({type(cause).__name__}: {_one_line(cause)}); {nothing}"
    )


def _is_local(error: BaseException) -> TypeGuard[OSError]:
    """Return whether it is this machine's disk that failed, not the network."""
    of_network: tuple[type[BaseException], ...] = (ConnectionError, TimeoutError, socket.gaierror)
    of_network += _connection_errors()
    if not isinstance(error, OSError) or isinstance(error, of_network):
        return False
    return error.errno in _OF_DISK


def _refused(error: Exception, repository: str, endpoint: str, nothing: str) -> ZooError:
    """Return what a status of the hub means; it answers 401 also where there is nothing."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
        return WeightsError(
            f"{endpoint} has no {repository} that you can access ({status}): it does not exist, or "
            f"it is private and you are not logged in; {nothing}. Check the name, or {_LOGIN}"
        )
    if status == HTTPStatus.FORBIDDEN:
        return WeightsError(
            f"{endpoint} refuses access to {repository} ({status}): you do not have the "
            f"permission; {nothing}. {_login()}"
        )
    if status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
        return WeightsError(
            f"somebody else changed {repository} on {endpoint} at the same time ({status}); "
            f"{nothing}. Check the change, then try again"
        )
    told = f"{endpoint} answered {status or 'nothing useful'} ({_one_line(error)}); {nothing}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return MachineError(f"{told}. Try again later")
    return WeightsError(told)


def _login() -> str:
    return f"{_LOGIN[0].upper()}{_LOGIN[1:]}"


def without_login(text: str) -> str:
    """Return text without the names and passwords in its addresses."""
    return _LOGIN_IN_ADDRESS.sub("//", text)


def _cause(error: Exception) -> BaseException:
    """Return what the client wrapped: a failed part of an upload, a failed look at the hub."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wraps = isinstance(error, LocalEntryNotFoundError) or type(error) is RuntimeError
    cause = error.__cause__
    if cause is None or not wraps:
        return error
    told = isinstance(cause, (HfHubHTTPError, OSError, *_connection_errors()))
    return cause if told else error


def _one_line(error: BaseException) -> str:
    return without_login(plain(str(error)))[:300] or type(error).__name__
