"""A Kafka that asks who is there: listeners with TLS and SASL of all kinds, certificates good and bad, and ACLs."""

import base64
import http.server
import json
import threading
import time
from urllib.parse import parse_qs

from authlib.jose import JsonWebKey, jwt
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from harness.kafka import LIBRARIES, Kafka
from harness.ports import reserve_port

AUDIENCE = "kafka"
ISSUER = "issuer"
CLIENT_SECRET = "the-secret-of-the-client"
MODULE = "org.apache.kafka.common.security"


class Issuer:
    """An OAuth server: it gives tokens to who knows the client's secret (RFC 6749, 4.4), and signs them with a key that
    `keys` (a file of RFC 7517) publishes."""

    def __init__(self, directory):
        key = JsonWebKey.generate_key("RSA", 2048, {"kid": "one"}, is_private=True)
        self.keys = directory / "keys.json"
        self.keys.write_text(json.dumps({"keys": [json.loads(key.as_json(is_private=False))]}))
        self.asked = []  # a form for each request
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                issuer.asked.append(form)
                user = self.headers.get("Authorization", "")
                good = base64.b64encode(f"bridge:{CLIENT_SECRET}".encode()).decode()
                allowed = user == f"Basic {good}"
                now = int(time.time())
                claims = {"sub": "bridge", "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + 600}
                token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key).decode()
                answer = {"access_token": token, "token_type": "Bearer", "expires_in": 600}
                body = json.dumps(answer if allowed else {"error": "invalid_client"}).encode()
                self.send_response(200 if allowed else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class SecuredKafka(Kafka):
    """The plaintext listener is for the tests, whom everything is allowed; others may what `allow` says.

    Passwords of PLAIN and SCRAM are "NAME-password" of each of `users`. With an `issuer` OAUTHBEARER is taken as well.
    """

    def __init__(self, directory, issued, users, authority=None, issuer=None, libraries=LIBRARIES):
        """`issued` are certificates by a name of theirs, each shown on a TLS listener of that name. "good" is shown on two
        more: "sasl", and with an authority "mutual", which takes clients that the authority vouches for."""
        self.ports = {name: reserve_port() for name in ("sasl", *(["mutual"] if authority else []), *issued)}
        self.users = users
        self.libraries = libraries
        self._jvm = []
        settings = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        for name in self.ports:
            one = issued.get(name, issued["good"])
            settings[f"listener.name.{name}.ssl.keystore.location"] = one.both
            settings[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
        if authority:
            settings |= {
                "listener.name.mutual.ssl.client.auth": "required",
                "listener.name.mutual.ssl.truststore.location": authority.certificate,
                "listener.name.mutual.ssl.truststore.type": "PEM",
            }
        super().__init__(directory, settings | self._sasl(issuer))

    def _sasl(self, issuer):
        plain = " ".join(f'user_{user}="{password(user)}"' for user in self.users)
        here = "listener.name.sasl"
        settings = {
            f"{here}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" + (",OAUTHBEARER" if issuer else ""),
            f"{here}.plain.sasl.jaas.config": f"{MODULE}.plain.PlainLoginModule required {plain};",
            f"{here}.scram-sha-256.sasl.jaas.config": f"{MODULE}.scram.ScramLoginModule required;",
            f"{here}.scram-sha-512.sasl.jaas.config": f"{MODULE}.scram.ScramLoginModule required;",
        }
        if issuer is None:
            return settings
        self._jvm = [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.keys.as_uri()}"]
        here = f"{here}.oauthbearer"
        handler = f"{MODULE}.oauthbearer.OAuthBearerValidatorCallbackHandler"
        return settings | {
            f"{here}.sasl.jaas.config": f"{MODULE}.oauthbearer.OAuthBearerLoginModule required;",
            f"{here}.sasl.server.callback.handler.class": handler,
            f"{here}.sasl.oauthbearer.jwks.endpoint.url": issuer.keys.as_uri(),
            f"{here}.sasl.oauthbearer.expected.audience": AUDIENCE,
            f"{here}.sasl.oauthbearer.expected.issuer": ISSUER,
        }

    def _listeners(self):
        more = [
            (name.upper(), port, f"localhost:{port}", "SASL_SSL" if name == "sasl" else "SSL")
            for name, port in self.ports.items()
        ]
        return [*super()._listeners(), *more]

    def _first_records(self):
        return [
            argument
            for user in self.users
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f"{mechanism}=[name={user},password={password(user)}]")
        ]

    def _java(self, *arguments):
        return [*self._jvm, *super()._java(*arguments)]

    def allow(self, user, kind, name, *operations, prefixed=False):
        """`kind` is topic, group, transactional_id or broker (the cluster); returns when the broker has it."""
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        made = [
            AclBinding(
                ResourceType[kind.upper()],
                name,
                pattern,
                f"User:{user}",
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )
            for operation in operations
        ]
        self._finish(self.admin().create_acls(made))


def password(user):
    return f"{user}-password"
