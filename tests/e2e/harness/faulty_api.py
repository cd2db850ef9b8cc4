"""A reverse proxy in front of the simulated API that answers for it, badly, where a test says so."""

import http.server
import json
import socket
import struct
import threading
from urllib.parse import parse_qs, unquote, urlsplit

from harness.http_client import request

ERROR = b'{"error": {"code": "x", "message": "as the test says"}}'
JSON, HTML = "application/json", "text/html; charset=utf-8"


def answer(status, body=ERROR, kind=JSON, **headers):
    """An answer with that status and body."""

    def give(handler):
        handler.give(status, body, kind, headers)

    return give


def hang(handler):
    """No answer, until the faults change."""
    handler.proxy.changed.wait()
    handler.close_connection = True


def reset_in_body(handler):
    """The connection ends when half of the answer is out: what else is under way is thrown away."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + b" " * 500)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def redirect_loop(handler):
    """Leads to itself."""
    handler.give(302, b"", HTML, {"Location": handler.path})


class FaultyApi:
    """`faults` by integration: of requests for one of its records by id, and for its lists and recorded changes."""

    def __init__(self, simulator, models, empty_lists=False, port=0):
        """With `empty_lists` no list shows anything, so that each record has to be asked for by its id."""
        self.simulator = simulator
        self.owners = {key: record["integration_id"] for m in models for key, record in simulator.truth(m).items()}
        self.empty_lists = empty_lists
        self.faults = {}
        self.asked = []  # (integration, path with query), in order
        self.changed = threading.Event()
        self._server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"proxy": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.config = {"api.base_url": self.url}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.changed.set()
        self._server.shutdown()
        self._server.server_close()

    def set(self, faults):
        """From now on; {} = all is well."""
        self.faults = dict(faults)
        self.changed.set()
        self.changed = threading.Event()

    def count(self, integration):
        """How often it was asked for."""
        return sum(found == integration for found, _ in self.asked)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """Who does not want all of an answer hangs up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        split = urlsplit(self.path)
        integration = parse_qs(split.query).get("integration_id", [None])[0]
        integration = integration or self.proxy.owners.get(unquote(split.path.rsplit("/", 1)[1]))
        self.proxy.asked.append((integration, self.path))
        fault = self.proxy.faults.get(integration)
        if fault is not None:
            fault(self)
        elif self.proxy.empty_lists and "limit=" in split.query:
            self.give(200, json.dumps({"meta": {"hasMore": False, "total": 0}, "results": []}).encode(), JSON, {})
        else:
            headers = {"Authorization": self.headers["Authorization"]}
            found = request("GET", self.proxy.simulator.url + self.path, headers=headers)
            self.give(found.status, found.body, found.headers["content-type"], {})

    def give(self, status, body, kind, headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
