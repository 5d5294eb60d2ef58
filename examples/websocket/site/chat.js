// Everything that is said comes back from the server, what was said here too.
const me = crypto.randomUUID().slice(0, 4);
const form = document.getElementById("form");
const text = document.getElementById("text");
const send = form.querySelector("button");
const list = document.getElementById("messages");
const state = document.getElementById("state");

function show({ from, said }) {
  const item = document.createElement("li");
  item.className = from === me ? "mine" : "";
  const name = document.createElement("small");
  name.textContent = from === me ? "you" : from;
  const words = document.createElement("p");
  words.textContent = said;
  item.append(name, words);
  list.append(item);
  item.scrollIntoView({ block: "end" });
}

function status(word, open) {
  state.textContent = word;
  state.classList.toggle("open", open);
  send.disabled = !open;
}

function connect() {
  const socket = new WebSocket(new URL("/chat", location.href.replace(/^http/, "ws")));
  socket.onopen = () => status("connected", true);
  socket.onmessage = event => show(JSON.parse(event.data));
  socket.onclose = () => {
    status("connecting again", false);
    setTimeout(connect, 1000);
  };
  form.onsubmit = event => {
    event.preventDefault();
    const said = text.value.trim();
    if (said === "" || socket.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ from: me, said }));
    text.value = "";
  };
}

connect();
