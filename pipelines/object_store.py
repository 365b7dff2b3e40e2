"""A client of an S3 store, and its errors as one line of our own.

Credentials are boto3's own business (the standard AWS variables); here they are in no variable, and no text of an
error of boto3 or of the store is passed on, only its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from pipelines.errors import NightshiftError, UnavailableError
from pipelines.settings import Settings

CONNECTIONS = 8
BROKEN_OFF = (HTTPClientError, IncompleteReadError, FlexibleChecksumError)
MISSING = {"404", "NoSuchKey"}
_DENIED = {
    "403",
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_CHANGED = {*MISSING, "412", "PreconditionFailed"}


def client(where: str, settings: Settings) -> Any:
    """A client of the store; it has not spoken to it yet. `where` begins an error."""
    addressing = {"addressing_style": "path"} if settings.s3_endpoint else {}
    config = Config(
        retries={"mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=CONNECTIONS,
        s3=addressing,
        user_agent_appid="nightshift",
    )
    with explained(where):
        # A session of its own: the shared one would keep the credentials of its first use.
        return boto3.Session().client("s3", endpoint_url=settings.s3_endpoint, config=config)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """What boto3 raises becomes one line of our own; `from None`, since its texts may go into logs."""
    try:
        yield
    except ClientError as error:
        raise NightshiftError(f"{where}: {_answer(code_of(error))}") from None
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError):
        raise NightshiftError(
            f"{where}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        ) from None
    except (*BROKEN_OFF, BotoConnectionError) as error:
        raise UnavailableError(
            f"{where}: the store cannot be reached or breaks off ({type(error).__name__}); check the network, the "
            "region and NIGHTSHIFT_S3_ENDPOINT"
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise NightshiftError(f"{where}: boto3 cannot ask for it ({type(error).__name__})") from None


def code_of(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))


def _answer(code: str) -> str:
    if code in _DENIED:
        return f"access denied ({code}); check the credentials and what they may do"
    if code == "NoSuchBucket":
        return "there is no such bucket"
    if code in _CHANGED:
        return "it changed while it was fetched; load it when it is complete"
    return f"the store refuses with {code or 'no reason'}"
