"use strict";

const said = document.getElementById("said");

async function login(secret) {
  // Fields are bytes: what is beyond ASCII goes as UTF-8.
  const bytes = String.fromCharCode(...new TextEncoder().encode(secret));
  const answer = await fetch("/dashboard/login", {
    method: "POST",
    headers: { Authorization: `Bearer ${bytes}` },
  });
  if (answer.ok) location.replace("/dashboard");
  else said.textContent = (await answer.text()).trim();
}

document.getElementById("login").addEventListener("submit", (event) => {
  event.preventDefault();
  login(document.getElementById("secret").value).catch(() => {
    said.textContent = "the server does not answer";
  });
});

const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", "/dashboard"); // it is good once, and nobody's to read
  login(token).catch(() => {
    said.textContent = "the server does not answer";
  });
}
