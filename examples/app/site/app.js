const list = document.getElementById("notes");
const state = document.getElementById("state");
const form = document.getElementById("form");

async function refresh() {
  const notes = await (await fetch("/api/notes")).json();
  list.replaceChildren(...notes.toReversed().map(note => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    text.textContent = note.text;
    const remove = document.createElement("button");
    remove.textContent = "Done";
    remove.setAttribute("aria-label", `Done: ${note.text}`);
    remove.onclick = () => fetch(`/api/notes/${note.id}`, { method: "DELETE" });
    item.append(text, remove);
    return item;
  }));
}

form.onsubmit = async event => {
  event.preventDefault();
  const text = form.elements.text.value;
  form.reset();
  await fetch("/api/notes", { method: "POST", body: JSON.stringify({ text }) });
};

// Every page that is open hears of every change; the browser asks again by itself
// when the stream ends.
const events = new EventSource("/api/events");
events.onmessage = event => {
  state.textContent = event.data === "1" ? "1 note" : `${event.data} notes`;
  refresh();
};
events.onerror = () => { state.textContent = "away, asking again"; };
