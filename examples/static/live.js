"use strict"
// The script of the sample site: what its pages say by data-socket, data-events and data-fetch.

for (const panel of document.querySelectorAll("[data-socket]")) {
  const log = panel.querySelector(".log")
  const form = panel.querySelector("form")
  const socket = new WebSocket(panel.dataset.socket.replace(/^/, location.origin.replace(/^http/, "ws")))
  const show = (text, kind) => {
    const line = document.createElement("li")
    line.textContent = text
    line.className = kind
    log.append(line)
    log.scrollTop = log.scrollHeight
  }
  socket.onopen = () => { panel.dataset.state = "open" }
  socket.onmessage = event => show(event.data, "theirs")
  socket.onclose = event => {
    panel.dataset.state = "closed"
    form.querySelector("button").disabled = true
    show(`closed (${event.code})`, "state")
  }
  form.onsubmit = event => {
    event.preventDefault()
    show(form.elements.say.value, "ours")
    socket.send(form.elements.say.value)
    form.elements.say.select()
  }
}

for (const panel of document.querySelectorAll("[data-events]")) {
  const line = panel.querySelector("polyline")
  const output = panel.querySelector("output")
  const points = []
  const source = new EventSource(panel.dataset.events)
  source.onmessage = event => {
    const {number, value, of} = JSON.parse(event.data)
    points.push(`${10 + number * 580 / (of - 1)},${60 - value * 50}`)
    line.setAttribute("points", points.join(" "))
    output.textContent = `event ${number + 1} of ${of}: ${value}`
  }
  source.addEventListener("end", () => {
    source.close()
    output.textContent += "; the stream has ended"
    panel.dataset.state = "ended"
  })
}

for (const shown of document.querySelectorAll("[data-fetch]")) {
  fetch(shown.dataset.fetch)
    .then(response => response.ok ? response.json() : Promise.reject(`${response.status} ${response.statusText}`))
    .then(found => {
      shown.textContent = Object.entries(found).map(([name, value]) => `${name} = ${value}`).join("\n")
      shown.dataset.state = "shown"
    }, error => { shown.textContent = `No answer: ${error}` })
}
