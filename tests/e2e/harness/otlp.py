"""Takes spans as a collector of OpenTelemetry would, and takes them apart by itself."""

import http.server
import json
import threading


class Collector:
    """Takes OTLP over HTTP; `status` is what it answers, None: nothing at all."""

    def __init__(self):
        self.requests, self.status = [], 200
        self.release = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((self.path, dict(self.headers), json.loads(body)))
                if outer.status is None:
                    outer.release.wait(60)
                    return
                self.send_response(outer.status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self):
        """By name, each with its attributes as a dictionary."""
        found = []
        for _, _, body in list(self.requests):
            for resource in body["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        notes = {note["key"]: next(iter(note["value"].values())) for note in span["attributes"]}
                        found.append(span | {"notes": notes})
        return found

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
