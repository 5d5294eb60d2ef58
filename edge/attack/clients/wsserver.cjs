// WebSocket echo over the npm package ws: says "listening PORT", then echoes every
// message to its sender as it came, text as text and bytes as bytes.
'use strict';
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 16 << 20 });
server.on('listening', () => console.log('listening', server.address().port));
server.on('connection', socket => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.on('error', err => console.log('error', err.message));
});
