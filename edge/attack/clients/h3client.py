#!/usr/bin/env python3
"""HTTP/3 client for weir's tests, over aioquic: a QUIC stack that is not weir's.

    h3client.py [-X METHOD] [-H 'name: value'] [-d DATA|@FILE] [-o FILE] [--connect HOST:PORT]
                [--ca FILE] [--repeat N] [--resume HOST:PORT] [--timeout SECONDS] URL

Prints one JSON object per response: status, headers (a list of pairs), bytes,
sha256 of the body, and the body itself where it is text of at most 64 KiB. All
N requests go out at once, over one connection. The server's certificate must
verify; there is no way to switch that off. With --resume the request is made once
more, at that address, by the session of the first connection and as early data;
that answer says whether the session was resumed and the early data taken. Exit status: 0 when every stream
ended with a whole response, 1 otherwise, with the reason on stderr.
"""
import argparse
import asyncio
import hashlib
import json
import ssl
import sys
from urllib.parse import urlsplit

from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamReset


class Client(QuicConnectionProtocol):
    """One HTTP/3 connection; ask() may be called many times at once."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.finished = asyncio.Event()  # the handshake
        self.waiting = {}  # stream id -> (future, response so far)

    async def ask(self, headers, body):
        stream = self._quic.get_next_available_stream_id()
        future = asyncio.get_running_loop().create_future()
        self.waiting[stream] = (future, {"informed": [], "headers": None, "trailers": [], "body": bytearray()})
        self.http.send_headers(stream, headers, end_stream=body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return await future

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            self.finished.set()
        elif isinstance(event, StreamReset):
            self.fail(event.stream_id, f"stream {event.stream_id} reset with code {event.error_code:#x}")
        elif isinstance(event, ConnectionTerminated):
            for stream in list(self.waiting):
                self.fail(stream, f"connection closed with code {event.error_code:#x}: {event.reason_phrase}")
        for http_event in self.http.handle_event(event):
            if isinstance(http_event, (HeadersReceived, DataReceived)):
                self.take(http_event)

    def take(self, event):
        if event.stream_id not in self.waiting:
            return
        future, response = self.waiting[event.stream_id]
        if isinstance(event, DataReceived):
            response["body"] += event.data
        else:
            fields = [(n.decode(), v.decode("latin-1")) for n, v in event.headers]
            if response["headers"] is not None:
                response["trailers"] = fields
            elif dict(fields)[":status"].startswith("1"):
                response["informed"].append(fields)
            else:
                response["headers"] = fields
        if event.stream_ended:
            del self.waiting[event.stream_id]
            future.set_result(response)

    def fail(self, stream, reason):
        future, _ = self.waiting.pop(stream, (None, None))
        if future and not future.done():
            future.set_exception(ConnectionError(reason))


def describe(response, out, **more):
    body, headers = bytes(response["body"]), response["headers"]
    if out:
        with open(out, "wb") as file:
            file.write(body)
    facts = {
        "status": int(dict(headers)[":status"]),
        "headers": [f for f in headers if not f[0].startswith(":")],
        "trailers": response["trailers"],
        "informed": [int(dict(f)[":status"]) for f in response["informed"]],
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        **more,
    }
    if len(body) <= 64 << 10:
        try:
            facts["body"] = body.decode()
        except UnicodeDecodeError:
            pass
    return json.dumps(facts)


def request_of(args, url):
    body = args.data.encode() if args.data is not None else None
    if args.data and args.data.startswith("@"):
        with open(args.data[1:], "rb") as file:
            body = file.read()
    method = args.method or ("GET" if body is None else "POST")
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = [(":method", method), (":scheme", "https"), (":authority", url.netloc), (":path", target)]
    headers += [tuple(part.strip() for part in line.split(":", 1)) for line in args.header]
    if body is not None:
        headers.append(("content-length", str(len(body))))
    return [(n.lower().encode(), v.encode()) for n, v in headers], body


async def run(args):
    url = urlsplit(args.url)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_REQUIRED, server_name=url.hostname)
    if args.ca:
        configuration.load_verify_locations(args.ca)
    host, port = url.hostname, url.port or 443
    if args.connect:
        host, _, port = args.connect.rpartition(":")
    headers, body = request_of(args, url)
    tickets = asyncio.Queue()
    handler = tickets.put_nowait if args.resume else None
    async with connect(host, int(port), configuration=configuration, create_protocol=Client, session_ticket_handler=handler) as client:
        for response in await asyncio.gather(*(client.ask(headers, body) for _ in range(args.repeat))):
            print(describe(response, args.output))
        if not args.resume:
            return
        configuration.session_ticket = await tickets.get()
    host, _, port = args.resume.rpartition(":")
    async with connect(host, int(port), configuration=configuration, create_protocol=Client, wait_connected=False) as client:
        response = await client.ask(headers, body)
        await client.finished.wait()
        tls = client._quic.tls
        print(describe(response, args.output, resumed=tls.session_resumed, early=tls.early_data_accepted))


def main():
    parser = argparse.ArgumentParser(description="HTTP/3 client over aioquic")
    parser.add_argument("url")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="header", action="append", default=[])
    parser.add_argument("-d", dest="data", help="request body; @FILE reads it from a file")
    parser.add_argument("-o", dest="output", help="write the body of the (last) response here")
    parser.add_argument("--ca", help="PEM file with the roots to trust")
    parser.add_argument("--connect", help="HOST:PORT to connect to instead of the URL's")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--resume", help="HOST:PORT to make the request at once more, early")
    parser.add_argument("--timeout", type=float, default=10)
    args = parser.parse_args()
    try:
        asyncio.run(asyncio.wait_for(run(args), args.timeout))
    except Exception as err:  # every failure is one line and one exit status
        sys.exit(f"h3client: {type(err).__name__}: {err}")


if __name__ == "__main__":
    main()
