"""HTTP by hand: bytes over a socket, and the answers that come back."""

import re
import socket


def ask(port, data, *, seconds=5, pause=0, close=False):
    """Sends the bytes (a list: with a pause between) and reads until the other side closes, or for so long nothing comes.

    Returns (statuses, ended, everything): ended says that the other side has closed.
    """
    parts = data if isinstance(data, list) else [data]
    received = b""
    ended = False
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            for number, part in enumerate(parts):
                if number and pause:
                    connection.settimeout(pause)
                    try:
                        received += connection.recv(65536)
                    except TimeoutError:
                        pass
                    connection.settimeout(seconds)
                connection.sendall(part)
            if close:
                connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
            ended = True
        except TimeoutError:
            pass
        except OSError:
            ended = True
    return statuses(received), ended, received


def statuses(received):
    """Of all answers in it, in order."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d\d\d) ", received)]


def post(body, *headers, path="/webhooks", method="POST", length=True, host="Host: test", version="HTTP/1.1", last=True):
    """A request whose header lines are these, as they are; the last one of its connection."""
    lines = [f"{method} {path} {version}".encode(), *([host.encode()] if host else [])]
    lines += [line if isinstance(line, bytes) else line.encode() for line in headers]
    if last:
        lines.append(b"Connection: close")
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
