"""Letters, as a mail server gets them."""

from __future__ import annotations

import smtplib
import socketserver
import threading
from collections.abc import Callable, Iterator
from email import message_from_string
from email.header import decode_header, make_header

import pytest

from cms import mail


class _Server(socketserver.ThreadingTCPServer):
    """Takes one letter after another, without TLS."""

    daemon_threads = True
    lines: list[str]


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.wfile.write(b"220 mail\r\n")
        in_letter = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            self.server.lines.append(line)
            if in_letter:
                in_letter = line != "."
                answer = None if in_letter else "250 taken"
            elif line.upper().startswith("DATA"):
                in_letter, answer = True, "354 go on"
            elif line.upper().startswith("EHLO"):
                answer = "250-mail\r\n250 AUTH PLAIN"
            else:
                answer = "221 bye" if line.upper() == "QUIT" else "250 fine"
            if answer:
                self.wfile.write(f"{answer}\r\n".encode())


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Conversation) as server:
        server.lines = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_letter_arrives(server: _Server, configured: Callable[..., None]) -> None:
    configured(CMS_SMTP_URL=f"smtp://127.0.0.1:{server.server_address[1]}", CMS_PUBLIC_URL="https://desk.news.example")
    mail.send("anna@news.example", "Grüße", "Hello Zoë,\n\nhttps://desk.news.example/desk/password#x\n")
    assert "rcpt TO:<anna@news.example>" in server.lines
    begin = next(i for i, line in enumerate(server.lines) if line == "data")
    letter = message_from_string("\n".join(server.lines[begin + 1 : server.lines.index(".")]))
    assert letter["From"] == "copydesk@desk.news.example"
    assert str(make_header(decode_header(letter["Subject"]))) == "Grüße"
    assert "password#x" in letter.get_payload(decode=True).decode()  # type: ignore[union-attr]


def test_no_password_is_given_to_a_mail_server_without_tls(server: _Server, configured: Callable[..., None]) -> None:
    configured(CMS_SMTP_URL=f"smtp://user:marker@127.0.0.1:{server.server_address[1]}")
    with pytest.raises(smtplib.SMTPNotSupportedError):
        mail.send("anna@news.example", "x", "x")
    assert not any("AUTH" in line.upper() for line in server.lines)


def test_what_is_in_an_address_adds_no_header(server: _Server, configured: Callable[..., None]) -> None:
    configured(CMS_SMTP_URL=f"smtp://127.0.0.1:{server.server_address[1]}")
    with pytest.raises(ValueError, match="linefeed"):
        mail.send("anna@news.example\r\nBcc: evil@evil.example", "x", "x")
    assert "data" not in server.lines
