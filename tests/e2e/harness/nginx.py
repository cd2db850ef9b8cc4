"""nginx, as a load balancer before several servers and as what speaks TLS before one."""

import grp
import os
import pwd
from pathlib import Path

from harness.http_client import request
from harness.ports import reserve_port
from harness.process import spawn, tail
from harness.wait import wait_until

START_SECONDS = 10
STOP_SECONDS = 10

CONFIG = """
daemon off;
master_process off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{alive};
        return 204;
    }}
{parts}
}}
"""

# As README.md shows it: a server that refuses is asked again by the next request (max_fails=0), since
# it is back in a moment. What nginx does with a request that failed is its default: one that was not sent goes to the
# next server, a POST that was sent is answered 502.
BALANCER = """
    upstream receivers {{
{servers}
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://receivers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"""

TLS = """
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        access_log {folder}/{name}.access combined;
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_set_header Host $http_host;
        }}
    }}
"""


class Server:
    """An nginx with these parts of its configuration."""

    def __init__(self, directory, parts):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.error_path = self.directory / "error.log"
        self.config_path = self.directory / "nginx.conf"
        self._alive = reserve_port()
        # A server that root starts gives its rights up, and could not write to a test's folder then.
        names = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
        user = f"user {' '.join(names)};" if os.getuid() == 0 else ""
        text = CONFIG.format(user=user, folder=self.directory, alive=self._alive, parts=parts)
        self.config_path.write_text(text, encoding="utf-8")
        self.process = None

    def start(self):
        with open(self.directory / "output.log", "wb") as log:
            command = ["/usr/sbin/nginx", "-c", self.config_path, "-e", self.error_path]
            self.process = spawn(command, stdout=log, stderr=log, directory=self.directory)
        wait_until(self._answers, START_SECONDS, lambda: f"nginx does not answer\n{tail(self.error_path)}")
        return self

    def _answers(self):
        try:
            return request("GET", f"http://127.0.0.1:{self._alive}/", timeout=1).status == 204
        except OSError:
            return False

    def errors(self):
        """The lines of its error log."""
        return self.error_path.read_text(encoding="utf-8", errors="replace").splitlines()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)


class Nginx(Server):
    def __init__(self, directory, ports):
        """`ports` are those of the servers behind it, on 127.0.0.1."""
        self.port = reserve_port()
        servers = "\n".join(f"        server 127.0.0.1:{port} max_fails=0;" for port in ports)
        super().__init__(directory, BALANCER.format(servers=servers, port=self.port))


class TlsFront(Server):
    """Speaks TLS with several certificates, each on a port of its own, for one plain server behind it."""

    def __init__(self, directory, behind, issued):
        """`issued` are certificates by a name of theirs."""
        self.ports = {name: reserve_port() for name in issued}
        parts = "".join(
            TLS.format(
                port=self.ports[name],
                certificate=one.certificate,
                key=one.key,
                folder=Path(directory),
                name=name,
                behind=behind,
            )
            for name, one in issued.items()
        )
        super().__init__(directory, parts)

    def requests(self, name):
        """The lines of its log of requests: what came in whole on the port of that name."""
        return (self.directory / f"{name}.access").read_text(encoding="utf-8").splitlines()
