"""Sending one e-mail through the server of CMS_SMTP_URL."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from cms.settings import settings

SECONDS = 20


def send(to: str, subject: str, text: str) -> None:
    """Blocks. smtps:// is TLS from the start; smtp:// takes it up where the server offers it, and gives user and
    password to no server without. Raises SMTPException or OSError."""
    server = urlsplit(settings().smtp_url or "")
    context = ssl.create_default_context()
    host = server.hostname or "localhost"
    connection = (
        smtplib.SMTP_SSL(host, server.port or 465, timeout=SECONDS, context=context)
        if server.scheme == "smtps"
        else smtplib.SMTP(host, server.port or 25, timeout=SECONDS)
    )
    with connection as smtp:
        smtp.ehlo()
        secure = server.scheme == "smtps"
        if not secure and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            secure = True
        if server.username is not None:
            if not secure:
                raise smtplib.SMTPNotSupportedError("the server offers no TLS to log in over")
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(_message(to, subject, text))


def _message(to: str, subject: str, text: str) -> EmailMessage:
    domain = urlsplit(settings().base_url).hostname or "localhost"
    message = EmailMessage()
    message["From"] = settings().mail_from or f"copydesk@{domain}"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")  # every server takes it
    return message
