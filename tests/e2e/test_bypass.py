"""Requests that nobody vouches for: however they are dressed, none is taken, and nothing of them reaches Kafka."""

import base64
import gzip
import hashlib
import hmac
import json
import time
from urllib.parse import urlsplit

from harness.bridge import sign
from harness.raw import ask, post

SECRET, OWN, KEY = "the general secret", "the secret of intg-9", b"a key of some twenty-four bytes!"
STANDARD = "whsec_" + base64.b64encode(KEY).decode()
NAME = "propexo-signature"
MARK = "mark-of-the-attempts"


def event(integration="intg-1", record=MARK):
    data = {"event": "DATA_UPDATE", "object": "residents", "record_id": record, "integration_id": integration}
    data["diff"] = {"new": {"first_name": "Mary"}, "previous": {"first_name": "Sarah"}}
    return json.dumps({"trigger": "DATA_UPDATE", "data": data}).encode()


BODY = event()
GOOD = sign(BODY, SECRET)
OTHER = sign(BODY, "another secret")
NINTH = event("intg-9")


def standard(body, at=None, identity="msg_1", key=KEY):
    at = str(int(time.time()) if at is None else at)
    made = hmac.new(key, b".".join([identity.encode(), at.encode(), body]), hashlib.sha256).digest()
    return identity, at, "v1," + base64.b64encode(made).decode()


def lines(prefix, told):
    return [f"{prefix}-{name}: {value}" for name, value in zip(("id", "timestamp", "signature"), told)]


def chunked(body, *trailers):
    return b"%x\r\n%s\r\n0\r\n" % (len(body), body) + b"".join(t.encode() + b"\r\n" for t in trailers) + b"\r\n"


def signed(text):
    """With this in the signature's header."""
    return post(BODY, f"{NAME}: {text}")


def attempts():
    now = standard(BODY)
    old = standard(BODY, int(time.time()) - 400)
    zipped = gzip.compress(BODY)
    utf16 = BODY.decode().encode("utf-16")
    arabic = GOOD.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    wide = GOOD.translate(str.maketrans("abcdef", "ａｂｃｄｅｆ"))
    yield "no signature", post(BODY)
    yield "an empty one", signed("")
    yield "white space alone", signed("   ")
    yield "capitals", signed(GOOD.upper())
    yield "one capital", signed(GOOD[:-1] + "F" if GOOD[-1] == "f" else GOOD.replace("a", "A", 1))
    yield "a prefix", signed(f"sha256={GOOD}")
    yield "another prefix", signed(f"v1={GOOD}")
    yield "0x", signed(f"0x{GOOD}")
    yield "in quotes", signed(f'"{GOOD}"')
    yield "in base64", signed(base64.b64encode(bytes.fromhex(GOOD)).decode())
    yield "cut by one digit", signed(GOOD[:-1])
    yield "cut to a half", signed(GOOD[:32])
    yield "one digit more", signed(GOOD + "0")
    yield "twice in one", signed(GOOD + GOOD)
    yield "a list", signed(f"{GOOD}, {GOOD}")
    yield "a list with a wrong one", signed(f"{OTHER}, {GOOD}")
    yield "two headers, both right", post(BODY, f"{NAME}: {GOOD}", f"{NAME}: {GOOD}")
    yield "two headers, the second right", post(BODY, f"{NAME}: {OTHER}", f"{NAME}: {GOOD}")
    yield "two headers, one empty", post(BODY, f"{NAME}:", f"{NAME}: {GOOD}")
    yield "two headers in two cases", post(BODY, f"{NAME}: {GOOD}", f"Propexo-Signature: {GOOD}")
    yield "a zero byte within", post(BODY, f"{NAME}: {GOOD[:63]}".encode() + b"\0" + GOOD[63:].encode())
    yield "a zero byte in its name", post(BODY, f"{NAME}".encode() + b"\0: " + GOOD.encode())
    yield "white space within", signed(f"{GOOD[:32]} {GOOD[32:]}")
    yield "folded", post(BODY, f"{NAME}: {GOOD[:32]}", f" {GOOD[32:]}")
    yield "folded before it", post(BODY, f"{NAME}:", f" {GOOD}x")
    yield "a space before the colon", post(BODY, f"{NAME} : {GOOD}")
    yield "an underscore in its name", post(BODY, f"propexo_signature: {GOOD}")
    yield "under another name", post(BODY, f"x-{NAME}: {GOOD}")
    yield "Arabic digits", post(BODY, f"{NAME}: {arabic}")
    yield "full-width letters", post(BODY, f"{NAME}: {wide}")
    yield "of an empty secret", signed(sign(BODY, ""))
    yield "of another secret", signed(OTHER)
    yield "of the header's own text", signed(sign(GOOD.encode(), SECRET))
    yield "of an empty body", signed(sign(b"", SECRET))
    yield "of a body with a line's end", signed(sign(BODY + b"\n", SECRET))
    yield "a line's end behind the body", post(BODY + b"\n", f"{NAME}: {GOOD}")
    yield "a byte order mark before it", post(b"\xef\xbb\xbf" + BODY, f"{NAME}: {GOOD}")
    yield "in UTF-16", post(utf16, f"{NAME}: {GOOD}", "Content-Type: application/json; charset=utf-16")
    yield "other white space", post(json.dumps(json.loads(BODY), indent=1).encode(), f"{NAME}: {GOOD}")
    yield "letters escaped", post(BODY.replace(b"Mary", b"M\\u0061ry"), f"{NAME}: {GOOD}")
    yield "gzip, signed before", post(zipped, f"{NAME}: {GOOD}", "Content-Encoding: gzip")
    yield "gzip, signed as sent", post(zipped, f"{NAME}: {sign(zipped, SECRET)}", "Content-Encoding: gzip")
    yield "two encodings", post(BODY, f"{NAME}: {GOOD}", "Content-Encoding: identity", "Content-Encoding: gzip")
    trailer = post(chunked(BODY, f"{NAME}: {GOOD}"), "Transfer-Encoding: chunked", f"Trailer: {NAME}", length=False)
    yield "in a trailer", trailer
    cut = post(chunked(BODY[:-1]), f"{NAME}: {GOOD}", "Transfer-Encoding: chunked", length=False)
    yield "chunked, a byte short", cut
    yield "in the query", post(BODY, path=f"/webhooks?{NAME}={GOOD}")
    yield "in a cookie", post(BODY, f"Cookie: {NAME}={GOOD}")
    yield "as a bearer token", post(BODY, f"Authorization: Bearer {SECRET}")
    yield "a token, which is not in force", post(BODY, f"x-webhook-token: {SECRET}")
    yield "PUT", post(BODY, f"{NAME}: {GOOD}", method="PUT")
    yield "post in small letters", post(BODY, f"{NAME}: {GOOD}", method="post")
    yield "GET with an override", post(BODY, f"{NAME}: {GOOD}", "X-HTTP-Method-Override: POST", method="GET")
    for path in ("/Webhooks", "/webhooks/../webhooks", "//webhooks", "/./webhooks", "/webhooks;x", "/webhooks/a/b", "/x/../webhooks",
                 "/webhooks/%2e%2e", "/webhooks%2f..%2fwebhooks", "/webhooks%00", "/webhooks/%00", "/webhooks%20", "/webhooksx", "/", "*"):  # fmt: skip
        yield f"at {path}", post(BODY, f"{NAME}: {OTHER}", path=path)
    yield "a right one at another path", post(BODY, f"{NAME}: {GOOD}", path="/healthz")
    yield "Standard Webhooks, too old", post(BODY, *lines("webhook", old))
    yield "too new", post(BODY, *lines("webhook", standard(BODY, int(time.time()) + 400)))
    yield "an old one with a new time", post(BODY, *lines("webhook", (old[0], now[1], old[2])))
    yield "another id", post(BODY, *lines("webhook", ("msg_2", now[1], now[2])))
    yield "no id", post(BODY, *lines("webhook", now)[1:])
    yield "its time in Arabic digits", post(BODY, *lines("webhook", (now[0], "١٢٣", now[2])))
    yield "its time with a sign", post(BODY, *lines("webhook", (now[0], "+" + now[1], now[2])))
    yield "its time with a fraction", post(BODY, *lines("webhook", (now[0], now[1] + ".0", now[2])))
    yield "half of it Svix's", post(BODY, *lines("webhook", now)[:2], f"svix-signature: {now[2]}")
    yield "of version 2", post(BODY, *lines("webhook", (now[0], now[1], now[2].replace("v1,", "v2,"))))
    yield "without a version", post(BODY, *lines("webhook", (now[0], now[1], now[2][3:])))
    yield "with a comma between", post(BODY, *lines("webhook", (now[0], now[1], f"{now[2]},{now[2]}")))
    yield "made with the key as a text", post(BODY, *lines("webhook", standard(BODY, key=STANDARD.encode())))
    yield "two of its headers", post(BODY, *lines("webhook", now), f"webhook-id: {now[0]}")
    yield "an integration's secret at the general path", post(NINTH, f"{NAME}: {sign(NINTH, OWN)}")
    yield "the general one at its path", post(NINTH, f"{NAME}: {sign(NINTH, SECRET)}", path="/webhooks/intg-9")
    yield "its own for another", post(BODY, f"{NAME}: {sign(BODY, OWN)}", path="/webhooks/intg-9")
    yield "its own at another's path", post(NINTH, f"{NAME}: {sign(NINTH, OWN)}", path="/webhooks/intg-1")
    both = json.dumps({"data": {"integration_id": "intg-1"}, "meta": {"integration_id": "intg-9"}, "trigger": "JOB_FAILURE"}).encode()
    yield "two integrations in one body", post(both, f"{NAME}: {sign(both, OWN)}", path="/webhooks/intg-9")


def test_nothing_passes(bridge, kafka, prefix):
    config = {"bridge.models": ["residents"], "receiver.senders": "propexo, standard-webhooks", "receiver.secret": SECRET}
    receiver = bridge("receive", config | {"receiver.integration_secret": f"intg-9 {OWN}"}, start=False)
    secrets = receiver.config_path.parent / "secrets"
    secrets.write_text(STANDARD + "\n")
    receiver.config_path.write_text(receiver.config_path.read_text().replace("[receiver]\n", f"[receiver]\nsecret_file = {secrets}\n"))
    receiver.start_ready()
    port = urlsplit(receiver.receiver_url()).port

    def honest(number):
        """One of each profile, and the integration's own."""
        one, two, three = (event("intg-1", f"honest-{number}-{k}") for k in range(3))
        mine = event("intg-9", f"honest-{number}-3")
        yield post(one, f"{NAME}: {sign(one, SECRET)}")
        yield post(two, *lines("webhook", standard(two)))
        yield post(three, *lines("svix", standard(three)))
        yield post(mine, f"{NAME}: {sign(mine, OWN)}", path="/webhooks/intg-9")

    def all_honest(number):
        for request in honest(number):
            found, _, _ = ask(port, request)
            assert found == [200]

    all_honest(1)
    table = list(attempts())
    taken = []
    for name, request in table:
        found, ended, answer = ask(port, request)
        if not found or any(200 <= status < 300 for status in found):
            taken.append((name, found, answer[:80]))
        assert ended, name
    assert len(table) >= 60 and taken == []
    all_honest(2)
    topics = [f"{prefix}.{name}" for name in ("events.residents", "activity", "dead-letters")]
    found = [message for topic in topics for message in kafka.read(topic)]
    records = sorted(json.loads(message.value)["data"].get("record_id") for message in found)
    assert records == sorted(f"honest-{number}-{k}" for number in (1, 2) for k in range(4))
