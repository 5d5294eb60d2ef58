#!/usr/bin/env python3
"""WebSocket client over HTTP/3 (RFC 9220) for weir's tests: aioquic below wsproto.

    wsclient3.py CAFILE URL HOST:PORT [COUNT]

With COUNT it sends so many messages, some of them on the way at a time, and checks
that each comes back as it went, in order. Without, it sends each line of its input
and prints what comes back. It ends well after an orderly close only.
"""
import asyncio
import ssl
import sys
import time
from urllib.parse import urlsplit

from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage


class Client(QuicConnectionProtocol):
    """One HTTP/3 connection with one WebSocket on it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.settings = asyncio.get_running_loop().create_future()
        self.status = asyncio.get_running_loop().create_future()
        self.inbox = asyncio.Queue()
        self.websocket = Connection(ConnectionType.CLIENT)
        self.partial = None

    async def open(self, url):
        settings = await self.settings
        if settings.get(Setting.ENABLE_CONNECT_PROTOCOL) != 1:
            raise ConnectionError("the server does not offer extended CONNECT")
        self.stream = self._quic.get_next_available_stream_id()
        self.http.send_headers(self.stream, [
            (b":method", b"CONNECT"), (b":scheme", b"https"), (b":authority", url.netloc.encode()),
            (b":path", (url.path or "/").encode()), (b":protocol", b"websocket"), (b"sec-websocket-version", b"13"),
        ])
        self.transmit()
        status = await self.status
        if status != b"200":
            raise ConnectionError(f"status {status.decode()}")

    def send(self, event):
        self.http.send_data(self.stream, self.websocket.send(event), end_stream=False)
        self.transmit()

    def say(self, data):
        self.send(TextMessage(data=data) if isinstance(data, str) else BytesMessage(data=data))

    async def finish(self):
        self.send(CloseConnection(code=1000))
        while True:
            message = await self.inbox.get()
            if isinstance(message, CloseConnection):
                if message.code != 1000:
                    raise ConnectionError(f"closed with {message.code}")
                self.http.send_data(self.stream, b"", end_stream=True)
                self.transmit()
                return

    def quic_event_received(self, event):
        if isinstance(event, StreamReset):
            self.fail(f"stream reset with code {event.error_code:#x}")
        elif isinstance(event, ConnectionTerminated):
            self.fail(f"connection closed with code {event.error_code:#x}: {event.reason_phrase}")
        for http_event in self.http.handle_event(event):
            if isinstance(http_event, HeadersReceived) and not self.status.done():
                self.status.set_result(dict(http_event.headers)[b":status"])
            elif isinstance(http_event, DataReceived):
                self.receive(http_event)
        if self.http.received_settings is not None and not self.settings.done():
            self.settings.set_result(self.http.received_settings)

    def receive(self, event):
        if event.data:
            self.websocket.receive_data(event.data)
        for message in self.websocket.events():
            if isinstance(message, Ping):
                self.send(message.response())
            elif isinstance(message, Message):
                self.partial = message.data if self.partial is None else self.partial + message.data
                if message.message_finished:
                    self.inbox.put_nowait(self.partial if isinstance(self.partial, str) else bytes(self.partial))
                    self.partial = None
            else:
                self.inbox.put_nowait(message)
        if event.stream_ended and self.websocket.state is not ConnectionState.CLOSED:
            self.fail("the server ended the stream")

    def fail(self, reason):
        failure = ConnectionError(reason)
        for future in (self.settings, self.status):
            if not future.done():
                future.set_exception(failure)
        self.inbox.put_nowait(failure)

    async def receive_message(self):
        message = await self.inbox.get()
        if isinstance(message, Exception):
            raise message
        if isinstance(message, CloseConnection):
            raise ConnectionError(f"closed with {message.code}")
        return message


def message(i):
    """Messages of many lengths, each other than the rest; now and then a long one."""
    if i % 1000 == 999:
        return (str(i).encode() * 75000)[:300000]
    return f"{i}:" + "x" * ((i * 7919) % 400)


async def echo(client, count):
    start, sent, total = time.monotonic(), 0, 0
    for came in range(count):
        while sent < count and sent - came < 64:
            client.say(message(sent))
            sent += 1
        got = await client.receive_message()
        if got != message(came):
            raise ConnectionError(f"message {came} came back as another")
        total += len(got)
    await client.finish()
    print(f"echoed {count} messages, {total} bytes, over h3 in {(time.monotonic() - start) * 1000:.0f} ms")


async def lines(client):
    """Input is read beside: a connection must be looked after also while nobody speaks."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    print("open", flush=True)
    while line := await stdin.readline():
        client.say(line.decode().rstrip("\n"))
        print(await client.receive_message(), flush=True)
    await client.finish()


async def run(ca, url, place, count):
    url = urlsplit(url)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_REQUIRED, server_name=url.hostname)
    configuration.load_verify_locations(ca)
    host, _, port = place.rpartition(":")
    async with connect(host, int(port), configuration=configuration, create_protocol=Client) as client:
        await client.open(url)
        await (echo(client, count) if count else lines(client))


if __name__ == "__main__":
    try:
        asyncio.run(run(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) > 4 else 0))
    except Exception as err:  # every failure is one line and one exit status
        sys.exit(f"wsclient3: {type(err).__name__}: {err}")
