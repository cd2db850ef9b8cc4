"""Malformed requests and requests hidden in others: each connection gets the answers that a strict reader of RFC 9112 gives, or ends."""

import json
from urllib.parse import urlsplit

from harness.bridge import SIGNATURE_HEADER, sign
from harness.nginx import Nginx
from harness.raw import ask, post
from harness.simulator import SECRET

PATH = "/webhooks"

# Of these the end is not certain: a proxy must not pass them on as two. Others it may mend, and serve what is behind them.
AMBIGUOUS = ("both", "zero and", "one that", "chunked twice", "identity and", "coding", "its length twice", "two lengths", "length ", "a space before")


def event(record):
    diff = {"new": {"first_name": "Mary"}, "previous": {"first_name": "Sarah"}}
    data = {"event": "DATA_UPDATE", "object": "residents", "record_id": record, "integration_id": "i", "diff": diff}
    return json.dumps({"trigger": "DATA_UPDATE", "data": data}).encode()


def signed(body):
    return f"{SIGNATURE_HEADER}: {sign(body, SECRET)}"


def whole(record, **how):
    body = event(record)
    return post(body, signed(body), **how)


def head(*headers, start="POST /webhooks HTTP/1.1", host="Host: test", end=b"\r\n"):
    lines = [start, *([host] if host else []), *headers]
    return end.join(line if isinstance(line, bytes) else line.encode() for line in lines) + end * 2


def chunks(body, size=None, end=b"0\r\n\r\n"):
    return (size or b"%x" % len(body)) + b"\r\n" + body + b"\r\n" + end


# libmicrohttpd writes the head of some of its own refusals twice, and closes.
REFUSED = ([400], [400, 400], [401], [404], [413], [413, 413], [501], [505], [431], [414], [])


def table(name):
    """(what, bytes, the answers that may come, whether its own event may be kept). `name` makes records of it.

    Whoever reads `hidden` as a request has read the one before it in another way than others may.
    """
    body = event(f"{name}-own")
    own = signed(body)
    length = f"Content-Length: {len(body)}"
    hidden = whole(f"{name}-hidden")
    chunked = "Transfer-Encoding: chunked"
    # Two lengths
    yield "both lengths", head(own, length, chunked) + chunks(body) + hidden, REFUSED, False
    yield "both, the other way round", head(own, chunked, length) + chunks(body) + hidden, REFUSED, False
    yield "zero and chunks", head(own, "Content-Length: 0", chunked) + chunks(body) + hidden, REFUSED, False
    yield "one that hides a request", head(own, f"Content-Length: {len(hidden)}", chunked) + b"0\r\n\r\n" + hidden, REFUSED, False
    yield "chunked twice", head(own, chunked, chunked) + chunks(body) + hidden, REFUSED, False
    yield "identity and chunked", head(own, "Transfer-Encoding: identity", chunked) + chunks(body) + hidden, REFUSED, False
    for coding in ("xchunked", "chunked, identity", "identity", "gzip, chunked", "chunked;q=1", '"chunked"', "\x0bchunked", "chun ked",
                   "chunked,", ",chunked", "chunked chunked"):  # fmt: skip
        yield f"coding {coding!r}", head(own, f"Transfer-Encoding: {coding}") + chunks(body) + hidden, REFUSED, False
    yield "a space before the colon", head(own, "Transfer-Encoding : chunked") + chunks(body) + hidden, REFUSED, False
    yield "its length twice", head(own, length, length) + body + hidden, REFUSED, False
    yield "two lengths", head(own, length, "Content-Length: 0") + body + hidden, REFUSED, False
    for text in ("+5", "-5", "5 5", "0x5", "5,5", "5, 5", "", "٥", "5.0", "1e2", "99999999999999999999", "18446744073709551621", "5;a"):
        yield f"length {text!r}", head(own, f"Content-Length: {text}") + body + hidden, REFUSED, False
    yield "chunks in HTTP/1.0", head(own, chunked, start="POST /webhooks HTTP/1.0") + chunks(body) + hidden, REFUSED, False
    # Heads
    yield "no host", head(own, length, host=None) + body + hidden, REFUSED, False
    yield "two hosts", head(own, length, "Host: other") + body + hidden, REFUSED, False
    yield "a name in two words", head(own, length, "a b: c") + body + hidden, REFUSED, False
    yield "an empty name", head(own, length, ": c") + body + hidden, REFUSED, False
    yield "no colon", head(own, length, "abc") + body + hidden, REFUSED, False
    yield "a control character", head(own, length, "a: b\x01c") + body + hidden, REFUSED, False
    yield "a lone CR", head(own, length, "a: b\rTransfer-Encoding: chunked") + body + hidden, REFUSED, False
    yield "a zero byte in a name", head(own, length, b"a\0b: c") + body + hidden, REFUSED, False
    yield "a line that begins with white space", head(" a: b", own, length) + body + hidden, REFUSED, False
    for start in ("POST /webhooks HTTP/1.2", "POST /webhooks HTTP/2.0", "POST /webhooks HTTP/0.9", "POST /webhooks HTTP/1.10", "POST /webhooks",
                  "POST  /webhooks  HTTP/1.1 x", "POST /webhooks http/1.1", "POST /webhooks HTTQ/1.1", "PRI * HTTP/2.0", "\x00POST /webhooks HTTP/1.1"):  # fmt: skip
        yield f"begins {start!r}", head(own, length, start=start) + body + hidden, (*REFUSED, [405]), False
    yield "a long line", head(own, length, "a: " + "b" * 20000) + body + hidden, REFUSED, False
    yield "many lines", head(own, length, *["a: b"] * 500) + body + hidden, REFUSED, False
    yield "a long target", head(own, length, start=f"POST /webhooks?{'a' * 5000} HTTP/1.1") + body + hidden, REFUSED, False
    # Chunks
    for size in (b"zz", b"-1", b"+5", b" 5", b"0x5", b"", b"fffffffffffffffff", b"ffffffffffffffff", b"1g"):
        yield f"chunk of {size!r}", head(own, chunked) + chunks(body, size or b"\r\n") + hidden, REFUSED, False
    yield "a chunk that is longer than it says", head(own, chunked) + chunks(body, b"%x" % (len(body) - 1)) + hidden, REFUSED, False
    yield "a chunk that is shorter", head(own, chunked) + chunks(body, b"%x" % (len(body) + 1)) + hidden, REFUSED, False
    yield "no last chunk", head(own, chunked) + chunks(body, end=b""), REFUSED, False
    # What is right, if unusual
    yield "an extension", head(own, chunked, "Connection: close") + chunks(body, b"%x;a=b" % len(body)), ([200],), True
    yield "a trailer", head(own, chunked, "Connection: close") + chunks(body, end=b"0\r\nContent-Length: 9\r\n\r\n"), ([200],), True
    yield "two in a row", head(own, length) + body + whole(f"{name}-second"), ([200, 200],), True
    # What is refused is the last of its connection.
    yield "refused, and another", head(length) + body + hidden, ([401],), False
    yield "elsewhere, and another", head(own, length, start="POST /elsewhere HTTP/1.1") + body + hidden, ([404],), False
    yield "GET with a body", head(own, length, start="GET /webhooks HTTP/1.1") + body + hidden, ([405],), False
    yield "chunked, and another", head(own, chunked) + chunks(body) + hidden, ([200],), True


def run_table(port, kafka, prefix, behind):
    """Sends each and then honest ones, which must be answered in turn; returns what was not as it should be."""
    wrong, expected, names = [], set(), {}
    count = len(list(table("")))
    for number in range(count):
        name = f"{behind}-{number}"
        what, request, answers, kept = list(table(name))[number]
        names[name] = what
        found, _, _ = ask(port, request, seconds=1.5)
        if behind == "direct" and found not in answers:
            wrong.append((what, found))
        if kept:
            expected.add(f"{name}-own")
        if b"-second" in request and 200 in found[1:]:
            expected.add(f"{name}-second")
        unsigned = ask(port, post(event(f"{name}-unsigned")), seconds=5)[0]
        honest = ask(port, whole(f"{name}-honest"), seconds=5)[0]
        if (unsigned, honest) != ([401], [200]):
            wrong.append((what, "then", unsigned, honest))
        expected.add(f"{name}-honest")
    there = {json.loads(message.value)["data"]["record_id"] for message in kafka.read(f"{prefix}.events.residents")}
    for record in there - expected:
        what = names[record.rsplit("-", 1)[0]]
        if behind == "direct" or what.startswith(AMBIGUOUS):
            wrong.append((what, "kept", record))
    wrong += [(names[record.rsplit("-", 1)[0]], "not kept", record) for record in expected - there]
    assert kafka.read(f"{prefix}.dead-letters") == []
    return wrong, count


def test_directly(bridge, kafka, prefix):
    receiver = bridge("receive", {"bridge.models": ["residents"]})
    wrong, count = run_table(urlsplit(receiver.receiver_url()).port, kafka, prefix, "direct")
    print(*wrong, sep="\n")
    assert wrong == [] and count >= 60


def test_behind_a_proxy(bridge, kafka, prefix, tmp_path):
    """nginx refuses or mends what is malformed; what it passes on is one request to both."""
    receiver = bridge("receive", {"bridge.models": ["residents"]})
    proxy = Nginx(tmp_path, [urlsplit(receiver.receiver_url()).port]).start()
    try:
        wrong, count = run_table(proxy.port, kafka, prefix, "proxied")
    finally:
        proxy.stop()
    print(*wrong, sep="\n")
    assert wrong == [] and count >= 60
