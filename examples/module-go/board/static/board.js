const list = document.getElementById("notices"), state = document.getElementById("state")
const events = new EventSource("/events")
const find = n => list.querySelector(`[data-id="${n.id}"]`)
const show = n => {
	const li = find(n) ?? document.createElement("li")
	if (!li.dataset.id) list.prepend(li)
	li.dataset.id = n.id
	const a = document.createElement("a"), by = document.createElement("small")
	a.href = "/notices/" + n.id
	a.textContent = n.text
	by.textContent = n.by
	li.replaceChildren(a, " ", by)
}
events.addEventListener("welcome", () => state.textContent = "You see what others put up.")
events.addEventListener("added", e => show(JSON.parse(e.data)))
events.addEventListener("changed", e => show(JSON.parse(e.data)))
events.addEventListener("removed", e => find(JSON.parse(e.data))?.remove())
events.onerror = () => state.textContent = "The connection broke."
