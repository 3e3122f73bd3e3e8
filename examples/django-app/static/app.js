// Signs in at igny8's core and shows what the API answers. The access token stays in this tab's memory of the session.
"use strict";

const KEY = "access";

function api(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(path, { ...options, headers });
}

async function showIdentity(place) {
  const answer = await api("/api/v1/whoami/");
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    place.textContent = body.error ?? `answered ${answer.status}`;
    return;
  }
  const account = body.account_id === null ? "" : ` of account ${body.account_id}`;
  const power = body.is_superuser ? ", superuser" : "";
  place.textContent = body.user ? `${body.user}${account}${power} (by ${body.authenticated_by})` : "nobody";
  place.classList.toggle("bad", body.is_superuser);
}

async function fillTable(table) {
  if (!sessionStorage.getItem(KEY)) return;
  const answer = await api(table.dataset.api);
  if (!answer.ok) return;
  const rows = (await answer.json()).results;
  if (rows.length === 0) return;
  const columns = [...table.querySelectorAll("th")].map((head) => head.dataset.column);
  table.tBodies[0].replaceChildren(
    ...rows.map((row) => {
      const line = document.createElement("tr");
      for (const column of columns) line.insertCell().textContent = row[column];
      return line;
    }),
  );
}

function prepareSignIn(form, identity) {
  const answerPlace = document.getElementById("sign-in-answer");
  const signOut = document.getElementById("sign-out");
  signOut.hidden = !sessionStorage.getItem(KEY);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await fetch("/api/v1/auth/login/", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
    });
    const body = await answer.json().catch(() => ({}));
    answerPlace.textContent = answer.ok ? "Signed in." : (body.error ?? `Not signed in: ${answer.status}.`);
    if (!answer.ok) return;
    sessionStorage.setItem(KEY, body.data.access);
    signOut.hidden = false;
    form.reset();
    await showIdentity(identity);
  });
  signOut.addEventListener("click", async () => {
    await api("/api/v1/auth/logout/", { method: "POST" });
    sessionStorage.removeItem(KEY);
    signOut.hidden = true;
    answerPlace.textContent = "Signed out.";
    await showIdentity(identity);
  });
}

const table = document.querySelector("table[data-api]");
if (table) fillTable(table);
const identity = document.getElementById("api-identity");
if (identity) {
  showIdentity(identity);
  prepareSignIn(document.getElementById("sign-in"), identity);
}
