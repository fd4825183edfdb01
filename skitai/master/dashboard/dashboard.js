"use strict";
// Names, paths and errors may have come from clients: all text goes in as text (textContent), never as HTML.

const KEPT = 120; // seconds of history
const CLASSES = ["gone", "1xx", "2xx", "3xx", "4xx", "5xx"];
const byId = (id) => document.getElementById(id);
const history_ = [];
let before = null;
let wait = 1000;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// -- numbers as people read them

function rate(number) {
  if (number >= 10000) return `${(number / 1000).toFixed(1)}k`;
  return number >= 10 || number === 0 ? number.toFixed(0) : number.toFixed(1);
}

function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  return `${seconds.toFixed(1)} s`;
}

function span(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const mib = bytes / 1048576;
  return mib < 1024 ? `${mib.toFixed(0)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

function quantile(bounds, counts, share) {
  const wanted = counts.reduce((sum, count) => sum + count, 0) * share;
  let least = 0, sofar = 0;
  if (!wanted) return null;
  for (let place = 0; place < bounds.length; place++) {
    if (sofar + counts[place] >= wanted)
      return least + ((bounds[place] - least) * (wanted - sofar)) / counts[place];
    least = bounds[place];
    sofar += counts[place];
  }
  return least;
}

const difference = (now, then) => now.map((value, place) => Math.max(0, value - (then ? then[place] : 0)));

// -- elements

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function table(id, heads, rows, none) {
  // A head that begins with a space is of text.
  const place = byId(id);
  if (!rows.length) {
    place.replaceChildren(element("caption", none, "none"));
    return;
  }
  const head = element("tr");
  for (const name of heads) head.append(element("th", name.trim(), name[0] === " " ? "text" : ""));
  const lines = rows.map(({ cells, bad }) => {
    const line = element("tr", undefined, bad ? "bad" : "");
    cells.forEach((cell, at) => line.append(element("td", cell, heads[at][0] === " " ? "text" : "")));
    return line;
  });
  place.replaceChildren(head, ...lines);
}

// -- charts

function canvas(id) {
  const place = byId(id), ratio = window.devicePixelRatio || 1;
  const width = place.clientWidth, height = place.clientHeight;
  place.width = width * ratio;
  place.height = height * ratio;
  const pen = place.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = css("--soft");
  return { pen, width, height };
}

function nice(most) {
  const step = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 5, 10].map((times) => times * step).find((bound) => bound >= most);
}

function drawRequests() {
  const { pen, width, height } = canvas("requests");
  const left = 44, bottom = height - 16, wide = (width - left) / KEPT;
  const most = nice(Math.max(1, ...history_.map(({ statuses }) => statuses.reduce((a, b) => a + b, 0))));
  pen.textAlign = "right";
  pen.strokeStyle = css("--line");
  for (const share of [0, 0.5, 1]) {
    const y = bottom - share * (bottom - 8);
    pen.fillText(rate(most * share), left - 6, y + 4);
    pen.beginPath();
    pen.moveTo(left, y);
    pen.lineTo(width, y);
    pen.stroke();
  }
  const colours = CLASSES.map((name) => css(`--c${name}`));
  history_.forEach(({ statuses }, place) => {
    const x = width - (history_.length - place) * wide;
    let y = bottom;
    for (const at of [2, 3, 1, 4, 0, 5]) {
      const high = (statuses[at] / most) * (bottom - 8);
      pen.fillStyle = colours[at];
      pen.fillRect(x, y - high, Math.max(1, wide - 1), high);
      y -= high;
    }
  });
  axis(pen, left, width, height);
}

function axis(pen, left, width, height) {
  pen.fillStyle = css("--soft");
  pen.textAlign = "left";
  pen.fillText("2 min ago", left, height - 2);
  pen.textAlign = "right";
  pen.fillText("now", width, height - 2);
}

function drawHeat() {
  const { pen, width, height } = canvas("heat");
  const bounds = history_.length ? history_[history_.length - 1].bounds : [];
  const rows = bounds.length + 1, left = 60, bottom = height - 16;
  const wide = (width - left) / KEPT, high = bottom / rows;
  const most = Math.max(1, ...history_.flatMap(({ app }) => app));
  const names = [0.001, 0.01, 0.1, 1, 10];
  pen.textAlign = "right";
  bounds.forEach((bound, row) => {
    if (names.includes(bound)) pen.fillText(time(bound), left - 6, bottom - (row + 1) * high + 4);
  });
  pen.fillStyle = css("--accent");
  history_.forEach(({ app }, place) => {
    const x = width - (history_.length - place) * wide;
    app.forEach((count, row) => {
      if (!count) return;
      // By logarithm: one slow answer among thousands must be seen.
      pen.globalAlpha = 0.18 + (0.82 * Math.log1p(count)) / Math.log1p(most);
      pen.fillRect(x, bottom - (row + 1) * high, Math.max(1, wide - 0.5), Math.max(1, high - 0.5));
    });
  });
  pen.globalAlpha = 1;
  axis(pen, left, width, height);
}

// -- one snapshot

function show(now) {
  now.at = performance.now() / 1000;
  // A server that was started anew has counted less.
  const then = before && before.uptime <= now.uptime ? before : null;
  const seconds = then ? Math.max(0.05, now.at - then.at) : 1;
  const mounts = now.mounts.map((mount) => {
    const was = then && then.mounts.find(({ host, path }) => host === mount.host && path === mount.path);
    const rates = (then ? difference(mount.statuses, was && was.statuses) : CLASSES.map(() => 0)).map(
      (count) => count / seconds,
    );
    return { ...mount, rates };
  });
  const statuses = CLASSES.map((_, at) => mounts.reduce((sum, { rates }) => sum + rates[at], 0));
  const app = then ? difference(now.latencies.app, then.latencies.app) : now.latencies.app.map(() => 0);
  if (then) {
    history_.push({ statuses, app, bounds: now.bounds });
    if (history_.length > KEPT) history_.shift();
  }
  byId("name").textContent = now.name;
  document.title = `${now.name} – Skitai`;
  byId("about").textContent = `Skitai ${now.version}, up ${span(now.uptime)}`;
  state(now.unready ? `not ready: ${now.unready}` : "ready", !now.unready);
  showNumbers(now, statuses, app);
  showHandlers(now.handlers);
  showWorkers(now, then, seconds);
  showTables(now, mounts);
  draw();
  if (!then || now.at - then.at > 0.3) before = now;
}

function draw() {
  drawRequests();
  drawHeat();
}

function showNumbers(now, statuses, app) {
  const total = statuses.reduce((sum, value) => sum + value, 0);
  const sum = (name) => now.workers.reduce((all, worker) => all + (worker[name] || 0), 0);
  const numbers = [
    ["requests/s", rate(total)],
    ["app p50", time(quantile(now.bounds, app, 0.5))],
    ["app p99", time(quantile(now.bounds, app, 0.99))],
    ["requests", now.counts.requests.toLocaleString("en")],
    ["server errors", now.counts.server_errors.toLocaleString("en")],
    ["connections", sum("connections").toLocaleString("en")],
    ["parked", sum("parked").toLocaleString("en")],
    ["queued", sum("queued").toLocaleString("en")],
  ];
  if (now.mail !== null) numbers.push(["mail waiting", now.mail.toLocaleString("en")]);
  byId("numbers").replaceChildren(
    ...numbers.map(([name, value]) => {
      const box = element("div");
      box.append(element("dt", name), element("dd", value));
      return box;
    }),
  );
}

function showHandlers(handlers) {
  const place = byId("handlers");
  const open = new Set([...place.querySelectorAll("details[open]")].map(({ dataset }) => dataset.key));
  byId("lasting").className = handlers.length ? "full some" : "full";
  if (!handlers.length) {
    place.replaceChildren(element("p", "none at this moment", "none"));
    return;
  }
  const seen = new Map();
  place.replaceChildren(
    ...handlers.map((handler) => {
      const box = element("details"), line = element("summary");
      const same = `${handler.pid} ${handler.request}`;
      seen.set(same, (seen.get(same) || 0) + 1);
      box.dataset.key = `${same} ${seen.get(same)}`;
      box.open = open.has(box.dataset.key);
      line.append(
        element("span", `${handler.seconds.toFixed(1)} s`, "seconds"),
        element("span", String(handler.pid), "soft"),
        element("span", handler.how, "soft"),
        element("span", handler.request),
        element("span", handler.waits ? `waits for ${handler.waits}` : "", "soft"),
      );
      box.append(line, element("pre", handler.stack.join("\n") || "no Python code"));
      return box;
    }),
  );
}

function showWorkers(now, then, seconds) {
  const was = new Map((then ? [then.master, ...then.workers] : []).map((one) => [one.pid, one.cpu]));
  const rows = [{ phase: "master", answers: true, ...now.master }, ...now.workers].map((one) => {
    const used = was.has(one.pid) && one.cpu !== null ? (one.cpu - was.get(one.pid)) / seconds : null;
    const silent = !one.answers && one.phase !== "booting";
    const told = one.loop_lag !== undefined;
    return {
      bad: silent,
      cells: [
        one.pid,
        silent ? `${one.phase}, silent` : one.phase,
        used === null ? "–" : `${(used * 100).toFixed(0)} %`,
        size(one.resident),
        size(one.proportional),
        told ? `${one.threads_inside} / ${one.threads}` : "",
        told ? one.queued : "",
        told ? one.parked : "",
        told ? one.coroutines : "",
        told ? one.connections : "",
        told ? one.websockets : "",
        told ? one.calls : "",
        told ? one.statements : "",
        told ? time(one.loop_lag) : "",
      ],
    };
  });
  const heads = [
    "pid", " phase", "cpu", "RSS", "PSS", "threads", "queued", "parked", "async", "connections", "WebSockets",
    "calls", "statements", "loop lag",
  ];
  table("workers", heads, rows, "none");
}

function showTables(now, mounts) {
  const asked = mounts.filter(({ statuses }) => statuses.some((count) => count));
  table(
    "mounts",
    [" mount", "req/s", "4xx/s", "5xx/s", "all"],
    asked.map(({ host, path, statuses, rates }) => ({
      bad: rates[5] > 0,
      cells: [
        path ? `${host} ${path}` : "no mount",
        rate(rates.reduce((sum, value) => sum + value, 0)),
        rate(rates[4]),
        rate(rates[5]),
        statuses.reduce((sum, value) => sum + value, 0).toLocaleString("en"),
      ],
    })),
    "no requests yet",
  );
  table(
    "members",
    [" member", " cluster", "worker", "under way", "latency", " state"],
    now.members.map((member) => {
      const out = member.ejected_for > 0 ? `ejected, ${member.ejected_for.toFixed(0)} s` : "";
      const state_ = out || (member.healthy ? "well" : "not healthy");
      return {
        bad: state_ !== "well",
        cells: [member.member, member.cluster, member.pid, member.in_flight, time(member.latency), state_],
      };
    }),
    "there are no clusters",
  );
  table(
    "rooms",
    [" room", "members"],
    Object.entries(now.rooms).map(([name, members]) => ({ cells: [name, members] })),
    "nobody is in a room",
  );
}

// -- the feed

function state(text, good) {
  const place = byId("state");
  place.textContent = text;
  place.className = good ? "good" : "bad";
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const feed = new WebSocket(`${scheme}://${location.host}/dashboard/feed`);
  feed.onmessage = ({ data }) => {
    wait = 1000;
    show(JSON.parse(data));
  };
  feed.onclose = async () => {
    state("not connected", false);
    // The session may be over: the page says so, the WebSocket cannot.
    const answer = await fetch("/dashboard", { method: "HEAD" }).catch(() => null);
    if (answer && answer.status === 401) location.reload();
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 15000);
  };
}

byId("logout").addEventListener("click", async () => {
  await fetch("/dashboard/logout", { method: "POST" }).catch(() => null);
  location.replace("/dashboard");
});
byId("legend").replaceChildren(...CLASSES.slice(2).map((name) => element("li", name, `s${name}`)));
window.addEventListener("resize", draw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
connect();
