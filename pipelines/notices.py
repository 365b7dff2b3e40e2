"""A message to whoever is on call: by e-mail, to a webhook that understands Slack's messages, and in the log."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import requests

from pipelines.errors import UnavailableError, UsageError, visible
from pipelines.settings import CONNECTION, Settings

Log = Callable[[str], None]
_TIMEOUT_SECONDS = 30
_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True)
class Notice:
    """A headline and its lines."""

    headline: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join((self.headline, "", *self.lines))


def send(settings: Settings, notice: Notice, log: Log = print) -> None:
    """Log a notice and send it wherever settings say, each place for itself.

    Secrets are masked. Raises `UnavailableError` when a place did not take it, `UsageError` when a setting is wrong.
    """
    clean = Notice(_clean(settings, notice.headline), tuple(_clean(settings, line) for line in notice.lines))
    for line in clean.text.splitlines():
        log(line)
    failed = []
    for name, sender in ((settings.mail_connection, _mail), (settings.webhook_connection, _post)):
        if name:
            try:
                sender(settings, name, clean)
                log(f"told by {name}")
            except (OSError, smtplib.SMTPException, requests.RequestException) as error:
                failed.append(f"{name} did not take the message ({type(error).__name__})")
    if failed:
        raise UnavailableError("; ".join(failed))


def _clean(settings: Settings, text: str) -> str:
    for secret in settings.secrets():
        text = text.replace(secret, "***")
    return visible(_USERINFO.sub("***@", text))


def _mail(settings: Settings, name: str, notice: Notice) -> None:
    """`smtp://user:password@host:port` speaks TLS from STARTTLS on, `smtps://` from the start.

    `smtp+plain://` never does: for a relay on this machine.
    """
    parts = urlsplit(_address(settings, name))
    if parts.scheme not in ("smtp", "smtps", "smtp+plain") or not parts.hostname:
        raise UsageError(f"setting {CONNECTION}{name.upper()}: no address such as smtp://user:password@host:587")
    if not settings.mail_to:
        raise UsageError("setting NIGHTSHIFT_MAIL_TO: say who gets the message, addresses separated by commas")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = notice.headline, settings.mail_from, settings.mail_to
    message.set_content(notice.text)
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            parts.hostname, parts.port or 465, timeout=_TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(parts.hostname, parts.port or 587, timeout=_TIMEOUT_SECONDS)
    with server:
        if parts.scheme == "smtp":
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _post(settings: Settings, name: str, notice: Notice) -> None:
    address = _address(settings, name)
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"setting {CONNECTION}{name.upper()}: no address such as https://host/path")
    answer = requests.post(address, json={"text": notice.text}, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    answer.raise_for_status()


def _address(settings: Settings, name: str) -> str:
    secret = settings.connection(name)
    if secret is None:
        raise UsageError(f"the night's message: set {CONNECTION}{name.upper()} to where it goes")
    return secret.get_secret_value()
