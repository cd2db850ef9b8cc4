"""A reverse proxy in front of a registry that lets in only who can say the right thing, by TLS where it has a certificate."""

import base64
import http.server
import ssl
import subprocess
import threading

from harness.http_client import request


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token):
    return f"Bearer {token}"


def make_certificate(directory, name="IP:127.0.0.1"):
    """A key and a certificate signed by it, in one PEM file, for one subject alternative name."""
    path, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=test", "-addext", f"subjectAltName={name}", "-keyout", key, "-out", path]
    subprocess.run(command, check=True, capture_output=True)
    return path, key


class RegistryProxy:
    """Ends with stop(). `wanted` is the authorization header's value, None lets everybody in; both may be changed."""

    def __init__(self, registry, wanted=None, certificate=None):
        self.wanted, self.asked, self.refused = wanted, [], 0
        proxy, target = self, registry.url.removesuffix("/apis/ccompat/v7")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if proxy.wanted is not None and self.headers.get("Authorization") != proxy.wanted:
                    proxy.refused += 1
                    return self.give(401, b'{"error_code":40101,"message":"Unauthorized"}')
                proxy.asked.append(f"{self.command} {self.path}")
                headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
                try:
                    answer = request(self.command, target + self.path, body or None, headers)
                except OSError:
                    return self.give(502, b"{}")
                self.give(answer.status, answer.body)

            def give(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = forward

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """Who does not trust the certificate hangs up."""

        self.server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/apis/ccompat/v7"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
