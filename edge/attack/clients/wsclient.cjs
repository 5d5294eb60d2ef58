// WebSocket client over the npm package ws, for weir's tests.
//
//   wsclient.cjs PROTO CAFILE URL [COUNT]
//
// PROTO is h1 (an upgrade) or h2 (an extended CONNECT, RFC 8441: Node's HTTP/2 below
// ws). With COUNT it sends so many messages, some of them on the way at a time, and
// checks that each comes back as it went, in order. Without, it sends each line of
// its input and prints what comes back. It ends well after an orderly close only.
'use strict';
const { readFileSync } = require('fs');
const http2 = require('http2');
const readline = require('readline');
const WebSocket = require('ws');

const [proto, ca, url, count] = process.argv.slice(2);
const trusted = readFileSync(ca);

function fail(what) {
  console.error('wsclient:', what);
  process.exit(1);
}

function overH1(then) {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { ca: trusted, perMessageDeflate: false });
  socket.on('error', err => fail(err.message));
  socket.on('open', () => then(socket, () => {}));
}

function overH2(then) {
  const { origin, host, pathname, search } = new URL(url);
  const session = http2.connect(origin, { ca: trusted });
  session.on('error', err => fail(err.message));
  session.on('remoteSettings', settings => {
    if (!settings.enableConnectProtocol) fail('the server does not offer extended CONNECT');
    const stream = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':authority': host,
      ':path': pathname + search, 'sec-websocket-version': '13', origin,
    }, { endStream: false });
    stream.on('error', err => fail(err.message));
    stream.on('response', headers => {
      if (headers[':status'] !== 200) fail(`status ${headers[':status']}`);
      const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 });
      socket._isServer = false; // ws has no other word for a client on a given stream
      socket.on('error', err => fail(err.message));
      socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 16 << 20, skipUTF8Validation: false });
      then(socket, () => session.close());
    });
  });
}

// Messages of many lengths, each other than the rest; now and then a long one.
function message(i) {
  if (i % 1000 === 999) return Buffer.alloc(300000, String(i));
  return `${i}:` + 'x'.repeat((i * 7919) % 400);
}

function echo(socket, done) {
  const n = Number(count), start = Date.now();
  let sent = 0, came = 0, bytes = 0;
  const more = () => { while (sent < n && sent - came < 64) socket.send(message(sent++)); };
  socket.on('message', (data, binary) => {
    const want = message(came);
    if (binary !== Buffer.isBuffer(want) || !data.equals(Buffer.from(want))) fail(`message ${came} came back as another`);
    bytes += data.length;
    if (++came === n) socket.close(1000, 'enough');
    else more();
  });
  socket.on('close', code => {
    if (code !== 1000 || came !== n) fail(`closed with ${code} after ${came} of ${n} messages`);
    console.log(`echoed ${came} messages, ${bytes} bytes, over ${proto} in ${Date.now() - start} ms`);
    done();
  });
  more();
}

function lines(socket, done) {
  let ending = false;
  socket.on('message', data => console.log(data.toString()));
  socket.on('close', code => {
    if (!ending || code !== 1000) fail(`closed with ${code}`);
    done();
    process.exit(0);
  });
  readline.createInterface({ input: process.stdin })
    .on('line', line => socket.send(line))
    .on('close', () => { ending = true; socket.close(1000); });
  console.log('open');
}

({ h1: overH1, h2: overH2 })[proto](count ? echo : lines);
