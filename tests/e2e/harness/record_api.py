"""An API that serves the records a test gives it, byte for byte, on the paths of schemas/models.json."""

import collections
import http.server
import json
import re
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

from harness.process import TOP

TOKEN = "record-api-token"
MODELS = json.loads((TOP / "schemas/models.json").read_text(encoding="utf-8"))["models"]
READABLE = [name for name, model in MODELS.items() if "list" in model]
DEFAULT_LIMIT = 100
MOST = 250


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of five, the sixth who connects at once waits a second

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # who does not want all of an answer hangs up
            super().handle_error(request, client_address)


class RecordApi:
    """Records and answers are set before or while it serves; `requests` lists the paths asked for, `times` when (time.time)."""

    def __init__(self):
        self.records = {model: {} for model in READABLE}  # model -> id -> (integration, JSON text)
        self.answers = {}  # (model, id) -> the whole body, in place of one made of a record
        self.requests, self.times = [], []
        self.has_lists = True  # without them, each record has to be asked for by its id
        self._held = {}  # (model, id) -> what an answer about it waits for
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, model, identifier, integration, record):
        """`record` is a value, or its JSON text."""
        text = record if isinstance(record, str) else json.dumps(record)
        self.records[model][identifier] = (integration, text)

    def put_answer(self, model, identifier, body):
        """`body` are the bytes of the answer to a request for this record."""
        self.answers[model, identifier] = body

    def hold(self, model, *identifiers):
        """What shows these records is not answered before release()."""
        self._held |= {(model, identifier): threading.Event() for identifier in identifiers}

    def release(self):
        for held in self._held.values():
            held.set()

    def asked_for(self, model):
        """How often each id of a model was asked for."""
        found = (_BY_ID[model].fullmatch(path) for path in self.requests)
        return collections.Counter(unquote(match[1]) for match in found if match)

    def _wait(self, model, identifiers):
        for identifier in identifiers:
            if (model, identifier) in self._held:
                self._held[model, identifier].wait()

    def answer(self, target):
        """(status, body) for a path with its query."""
        split = urlsplit(target)
        self.times.append(time.time())
        self.requests.append(split.path)
        if split.path in _LISTS and not self.has_lists:
            return 403, b'{"error": {"code": "forbidden", "message": "no lists"}}'
        if split.path in _LISTS:
            return 200, self._page(_LISTS[split.path], parse_qs(split.query))
        for name, path in _BY_ID.items():
            found = path.fullmatch(split.path)
            if found:
                return self._one(name, unquote(found[1]))
        return 404, b'{"error": {"code": "not_found", "message": "no such path"}}'

    def _one(self, model, identifier):
        self._wait(model, [identifier])
        if (model, identifier) in self.answers:
            return 200, self.answers[model, identifier]
        if identifier not in self.records[model]:
            return 404, b'{"error": {"code": "not_found", "message": "no such record"}}'
        _, text = self.records[model][identifier]
        return 200, f'{{"meta": {{}}, "results": {text}}}'.encode("utf-8", "surrogatepass")

    def _page(self, model, query):
        offset = int(query.get("offset", [0])[0])
        limit = min(int(query.get("limit", [DEFAULT_LIMIT])[0]), MOST)
        wanted = query.get("integration_id", [None])[0] if "integration_id" in MODELS[model]["query"] else None
        shown = {key: text for key, (owner, text) in self.records[model].items() if wanted in (None, owner)}
        self._wait(model, list(shown)[offset : offset + limit])
        texts = list(shown.values())
        meta = {
            "offset": offset,
            "limit": limit,
            "orderBy": query.get("order-by", ["created_at:desc"])[0],
            "hasMore": offset + limit < len(texts),
            "total": len(texts),
        }
        results = ", ".join(texts[offset : offset + limit])
        return f'{{"meta": {json.dumps(meta)}, "results": [{results}]}}'.encode("utf-8", "surrogatepass")


def _pattern(path):
    return re.compile(re.escape(path).replace(re.escape("{id}"), "([^/]+)"))


_LISTS = {MODELS[name]["list"]: name for name in READABLE}
_BY_ID = {name: _pattern(MODELS[name]["get"]) for name in READABLE if MODELS[name].get("get")}


def _handler(api):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            status, body = (401, b"{}")
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, body = api.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
