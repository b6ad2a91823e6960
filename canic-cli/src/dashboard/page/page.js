"use strict";
// The page of `canic dashboard`. It reads JSON from the program that serves it, every few seconds,
// and changes nothing but rollouts, each change confirmed.

const $ = (id) => document.getElementById(id);
const ROW = 28; // The height of a row of the long table, as in the style sheet.
const BLOCK = 200; // Rows of one request.
const FRESH = 15; // Seconds for which a member's cycles are shown without asking again.
const PHASES = ["clear", "canary", "bake", "look", "rest", "settle", "ended"];

// An element with text or elements in it. Texts are never read as markup.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  return read(answer);
}

async function post(path) {
  const answer = await fetch(path, { method: "POST", headers: { "x-canic": "dashboard" } });
  return read(answer);
}

async function read(answer) {
  const body = await answer.json();
  if (answer.ok) return body;
  const error = body.error || {};
  throw new Error([error.message, error.advice].filter(Boolean).join("\n"));
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text || "";
}

const now = () => Math.floor(Date.now() / 1000);

function duration(seconds) {
  if (seconds < 120) return `${Math.max(0, seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const age = (since) => duration(now() - since);

function cycles(text) {
  const number = Number(text);
  for (const [unit, name] of [[1e12, "T"], [1e9, "B"], [1e6, "M"]]) {
    if (number >= unit) return `${(number / unit).toFixed(3).replace(/\.?0+$/, "")} ${name}`;
  }
  return String(text);
}

// Days until something happens; `days` may be null.
function days(count) {
  if (count === null || count === undefined) return "–";
  if (count >= 3650) return "> 10 y";
  return count < 10 ? `${count.toFixed(1)} d` : `${Math.floor(count)} d`;
}

const date = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

const tones = {
  ok: "good", warn: "warn", critical: "bad",
  done: "good", completed: "good", ready: "good", active: "", open: "", quarantined: "bad",
  abandoned: "bad", rolled_back: "warn", paused: "bad",
};

// A table of rows; `columns` are triples of name, function, and whether it is a number.
function table(caption, columns, rows) {
  const head = columns.map(([name, , number]) =>
    el("th", { scope: "col", class: number ? "number" : null }, name));
  const body = rows.map((row) => el("tr", {}, columns.map(([, cell, number]) => {
    const value = cell(row);
    const long = typeof value === "string" && value.length > 60;
    return el("td", { class: number ? "number" : long ? "long" : null }, value ?? "–");
  })));
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    el("table", { "aria-label": caption }, el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, body)));
}

const id = (text) => el("span", { class: "id" }, text ?? "–");
const word = (text) => el("span", { class: tones[text] || null }, text);

// The views. `draw` makes the content once, `look` brings it up to date.
const views = {};

views.overview = {
  name: "Overview",
  draw: (view) => { view.replaceChildren(el("div", { id: "overview" })); },
  async look() {
    const status = await get("/api/status");
    const card = (value, name, tone) =>
      el("div", { class: "card" }, el("b", { class: tone || null }, String(value)),
        el("span", {}, name));
    const cards = [card(status.members, status.members === 1 ? "member" : "members")];
    if (status.cycles) {
      cards.push(card(cycles(status.cycles.balance), "cycles of root"));
      if (status.cycles.available) cards.push(card(cycles(status.cycles.available), "can be spent"));
    }
    if (status.live && status.live.run !== "running") {
      cards.push(card(status.live.run, "is root's state", "bad"));
    }
    if (status.funding) {
      cards.push(card(status.funding.level, status.funding.days_left === null ? "level of funding"
        : `level of funding; ${days(status.funding.days_left)} left`, tones[status.funding.level]));
    }
    for (const [condition, count] of Object.entries(status.unwell || {})) {
      cards.push(card(count, `members ${condition}`, "warn"));
    }
    if (status.pool) cards.push(card(status.pool.ready, `ready in the pool, ${status.pool.claimed} claimed`));
    if (status.operations) {
      cards.push(card(status.operations.open, "open operations"));
      cards.push(card(status.operations.quarantined, "in quarantine",
        status.operations.quarantined ? "bad" : null));
    }
    const roles = table("Roles", [
      ["role", (row) => row.role],
      ["members", (row) => row.members, true],
      ["current release", (row) => row.current, true],
      ["candidate", (row) => row.candidate, true],
      ["on another release", (row) => row.other_release
        ? el("span", { class: "warn" }, String(row.other_release)) : row.other_release, true],
      ["burn a day", (row) => row.funding?.seen ? cycles(row.funding.burned_per_day) : null, true],
      ["level", (row) => row.funding ? word(row.funding.level) : null],
    ], status.roles);
    const unknown = status.unknown.map((line) => el("p", { class: "warn" }, `not shown: ${line}`));
    $("overview").replaceChildren(el("div", { class: "cards" }, cards), el("h2", {}, "Roles"),
      roles, status.rollouts.length ? el("h2", {}, "Rollouts under way") : "",
      ...rolloutCards(status.rollouts), ...unknown);
  },
};

views.members = {
  name: "Members",
  filter: {},
  blocks: new Map(),
  seen: new Map(),
  matching: 0,
  draw(view) {
    const field = (name, label, type = "search") => el("label", {}, `${label} `,
      el("input", { name, type, size: type === "number" ? 5 : 16, min: "0",
        value: this.filter[name] || null }));
    const states = ["", "active", "installing", "retiring", "moving", "upgrading"];
    const form = el("form", { class: "filter", onsubmit: (e) => e.preventDefault(),
      oninput: () => this.changed() },
      field("role", "role"), field("key", "key contains"), field("release", "release", "number"),
      field("parent", "parent"),
      el("label", {}, "state ", el("select", { name: "state" },
        states.map((state) => el("option", { value: state }, state || "any")))),
      el("label", {}, "sort by ", el("select", { name: "sort" },
        ["canister", "role", "key", "release", "state", "age"].map((name) =>
          el("option", { value: name }, name)))));
    const names = ["canister", "role", "release", "state", "cycles", "left", "parent", "key",
      "age"];
    const head = el("div", { class: "row head", role: "row", style: null },
      names.map((name) => el("span", { role: "columnheader" }, name)));
    head.style.position = "sticky";
    const body = el("div", { class: "body", role: "rowgroup" });
    const rows = el("div", { class: "rows", role: "table", "aria-label": "Members", tabindex: "0",
      onscroll: () => this.scrolled() }, el("div", { role: "rowgroup" }, head), body);
    view.replaceChildren(form, el("p", { class: "dim", id: "count", role: "status" }),
      el("p", { class: "warn", id: "unseen" }), rows);
    Object.assign(this, { form, rows, body });
    this.blocks.clear();
  },
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.filter = Object.fromEntries([...new FormData(this.form)].filter(([, value]) => value));
      this.rows.scrollTop = 0;
      this.look().catch((e) => problem(e.message));
    }, 250);
  },
  scrolled() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.show().catch((e) => problem(e.message));
    });
  },
  async block(number) {
    if (!this.blocks.has(number)) {
      const query = new URLSearchParams({ ...this.filter, skip: number * BLOCK, limit: BLOCK });
      this.blocks.set(number, get(`/api/members?${query}`));
    }
    try {
      return await this.blocks.get(number);
    } catch (e) {
      this.blocks.delete(number);
      throw e;
    }
  },
  async look() {
    this.blocks.clear();
    await this.show();
  },
  async show() {
    const names = [];
    const first = Math.max(0, Math.floor(this.rows.scrollTop / ROW) - 5);
    const last = first + Math.ceil(this.rows.clientHeight / ROW) + 10;
    const wanted = [Math.floor(first / BLOCK), Math.floor(last / BLOCK)];
    const pages = [await this.block(wanted[0])];
    if (wanted[1] !== wanted[0]) pages.push(await this.block(wanted[1]));
    this.matching = pages[0].matching;
    this.body.style.height = `${this.matching * ROW}px`;
    this.rows.setAttribute("aria-rowcount", String(this.matching + 1));
    $("count").textContent = `${this.matching} ${this.matching === 1 ? "member" : "members"}`;
    const made = [];
    for (const page of pages) {
      page.members.forEach((row, at) => {
        const index = page.skipped + at;
        if (index < first || index > last) return;
        const seen = this.seen.get(row.canister);
        const cells = [id(row.canister), row.role, row.release || "–", state(row, seen),
          seen?.live ? cycles(seen.live.cycles) : "–", seen?.live ? days(seen.live.days_left) : "–",
          row.parent === root ? "root" : id(row.parent), row.key ?? "–", age(row.since)];
        const line = el("div", { class: "row", role: "row", "aria-rowindex": index + 2 },
          cells.map((cell) => el("span", { role: "cell" }, cell)));
        line.style.top = `${index * ROW}px`;
        made.push(line);
        names.push(row.canister);
      });
    }
    this.body.replaceChildren(...made);
    await this.see(names);
  },
  // Asks for the cycles and run states of the rows on the screen that are not known or old.
  async see(names) {
    const old = now() - FRESH;
    const wanted = names.filter((name) => !(this.seen.get(name)?.at > old));
    if (!wanted.length || this.asking) return;
    this.asking = true;
    try {
      const query = new URLSearchParams({ canisters: wanted.join(",") });
      const { members } = await get(`/api/live?${query}`);
      if (this.seen.size > 2000) this.seen.clear();
      for (const name of wanted) this.seen.set(name, { at: now() });
      for (const one of members) this.seen.set(one.canister, { ...one, at: now() });
    } catch (e) {
      if ($("unseen")) $("unseen").textContent = `cycles and run states are not shown: ${e.message}`;
      return;
    } finally {
      this.asking = false;
    }
    if (!this.body.isConnected) return;
    $("unseen").textContent = "";
    await this.show();
  },
};

// A member's state on record, and what is unusual about it.
function state(row, seen) {
  const live = seen?.live;
  const remark = seen?.unseen ? "unseen" : !live ? null : live.run !== "running" ? live.run
    : Number(live.cycles) <= Number(live.frozen) ? "frozen"
      : seen.runs_release === false ? "another module" : null;
  const plain = row.state === "active" && !remark;
  return el("span", { class: plain ? null : remark === "frozen" ? "bad" : "warn",
    title: seen?.unseen ?? null }, [row.state, remark].filter(Boolean).join(", "));
}

views.tree = {
  name: "Tree",
  open: new Set(),
  draw(view) { view.replaceChildren(el("div", { id: "tree" })); },
  async look() {
    $("tree").replaceChildren(el("p", {}, id(root), " root"), await this.children(root));
  },
  async children(parent) {
    const answer = await get(`/api/children?parent=${encodeURIComponent(parent)}`);
    const items = [];
    for (const row of answer.children) {
      const opens = this.open.has(row.canister) && row.children > 0;
      const below = opens ? await this.children(row.canister) : null;
      const button = row.children ? el("button", { type: "button", "aria-expanded": String(opens),
        "aria-label": `children of ${row.role} ${row.key ?? row.canister}`,
        onclick: () => {
          opens ? this.open.delete(row.canister) : this.open.add(row.canister);
          this.look().catch((e) => problem(e.message));
        } }, opens ? "−" : "+") : null;
      items.push(el("li", {}, button, id(row.canister), ` ${row.role} ${row.release || "–"} `,
        el("span", { class: "dim" }, row.key ?? ""),
        row.children ? ` ${row.children} below` : "", below));
    }
    if (answer.hidden) items.push(el("li", { class: "dim" },
      `and ${answer.hidden} more: the view Members lists them by parent`));
    if (!items.length) items.push(el("li", { class: "dim" }, "no members"));
    return el("ul", { class: "tree" }, items);
  },
};

function rolloutCards(rollouts) {
  return rollouts.map((row) => {
    const share = (count) => (row.members ? `${(100 * count) / row.members}%` : "0");
    const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0",
      "aria-valuemax": row.members, "aria-valuenow": row.upgraded + row.failed,
      "aria-label": `rollout ${row.rollout}` }, el("i"), el("i", { class: "failed" }));
    bar.children[0].style.width = share(row.upgraded);
    bar.children[1].style.width = share(row.failed);
    const phases = row.phase === "undo" ? ["undo", "settle", "ended"] : PHASES;
    const steps = el("ol", { class: "steps" }, phases.map((phase) =>
      el("li", { "aria-current": phase === row.phase ? "step" : null }, phase)));
    const active = !["settle", "ended"].includes(row.phase);
    const act = (verb, question, danger) => el("button", { type: "button",
      class: danger ? "plain danger" : "plain",
      onclick: () => change(row.rollout, verb, question) }, verb);
    const buttons = active ? [
      row.paused
        ? act("resume", `Resume rollout ${row.rollout} and let its ${row.failed} failures pass?`)
        : act("pause", `Pause rollout ${row.rollout}? Nothing more is begun.`),
      act("abort", `Abort rollout ${row.rollout}? ${row.upgraded} members keep release ${row.to}, ` +
        `${row.left} keep another one. A rollout that has ended does not go on.`, true),
    ] : [];
    return el("section", { class: "card", "aria-label": `rollout ${row.rollout}` },
      el("b", {}, `${row.role}: ${row.from} → ${row.to}`),
      el("span", {}, `rollout ${row.rollout}, begun ${age(row.started)} ago`),
      row.outcome ? el("p", { class: tones[row.outcome] || "warn" }, row.outcome) : steps,
      row.paused ? el("p", { class: "bad" }, `paused: ${row.paused}`) : null, bar,
      el("p", {}, `${row.upgraded} of ${row.members} upgraded, ${row.failed} failed, ` +
        `${row.undone} undone, ${row.open} under way, ${row.left} left`),
      (row.failures || []).length ? table(`Failures of rollout ${row.rollout}`, [
        ["operation", (one) => one.operation, true], ["member", (one) => id(one.canister)],
        ["reason", (one) => one.reason]], row.failures) : null,
      buttons.length ? el("p", {}, buttons.flatMap((button) => [button, " "])) : null);
  });
}

// Asks, and answers whether the operator says yes. Escape means no.
function ask(question, verb) {
  return new Promise((done) => {
    const dialog = $("confirm");
    const end = (answer) => {
      dialog.close();
      done(answer);
    };
    $("question").textContent = question;
    $("yes").textContent = verb;
    $("yes").onclick = () => end(true);
    $("no").onclick = () => end(false);
    dialog.oncancel = () => end(false);
    dialog.showModal();
  });
}

async function change(rollout, verb, question) {
  if (!(await ask(question, verb))) return;
  try {
    await post(`/api/rollout/${rollout}/${verb}`);
    problem("");
  } catch (e) {
    problem(e.message);
  }
  await refresh();
}

views.rollouts = {
  name: "Rollouts",
  draw: (view) => view.replaceChildren(el("div", { id: "rollouts" })),
  async look() {
    const { rollouts } = await get("/api/rollouts");
    const content = rollouts.length ? el("div", { class: "cards" }, rolloutCards(rollouts))
      : el("p", { class: "dim" }, "no rollouts");
    $("rollouts").replaceChildren(content);
  },
};

views.pool = {
  name: "Pool",
  draw: (view) => view.replaceChildren(el("div", { id: "pool" })),
  async look() {
    const { pool } = await get("/api/pool");
    const rows = table("Pool", [
      ["canister", (row) => id(row.canister)],
      ["cycles", (row) => row.live ? cycles(row.live.cycles) : null, true],
      ["at first", (row) => cycles(row.cycles), true],
      ["state", (row) => row.claimed_by === null ? word("ready") : `claimed by ${row.claimed_by}`],
      ["age", (row) => age(row.since), true],
      ["refusals", (row) => row.refusals, true],
      ["reason", (row) => row.unseen ?? row.refused],
    ], pool);
    $("pool").replaceChildren(el("h2", {}, `${pool.length} in the pool`), rows);
  },
};

views.operations = {
  name: "Operations",
  state: "open",
  draw(view) {
    const choice = el("select", { onchange: (e) => {
      this.state = e.target.value;
      refresh();
    } }, ["open", "quarantined", "closed", "all"].map((state) =>
      el("option", { value: state, selected: state === this.state }, state)));
    view.replaceChildren(el("form", { class: "filter", onsubmit: (e) => e.preventDefault() },
      el("label", {}, "state ", choice)), el("div", { id: "operations" }));
  },
  async look() {
    const answer = await get(`/api/operations?state=${this.state}`);
    const rows = table("Operations", [
      ["number", (row) => row.id, true],
      ["kind", (row) => row.kind],
      ["state", (row) => word(row.state)],
      ["step or reason", (row) => [row.detail, row.failure].filter(Boolean).join(": ")],
      ["canister", (row) => id(row.canister)],
      ["role", (row) => row.role],
      ["tries", (row) => row.attempts, true],
      ["calls", (row) => row.calls, true],
      ["paid", (row) => cycles(row.paid), true],
      ["age", (row) => age(row.accepted), true],
    ], answer.operations);
    $("operations").replaceChildren(el("p", { class: "dim" },
      `${answer.operations.length} of ${answer.matching}, newest first`), rows);
  },
};

// A line over time, with its first and last value in words. `points` are pairs of seconds and a
// number; `text` writes a number.
function chart(caption, points, text) {
  if (points.length < 2) {
    return el("p", { class: "dim" }, `${caption}: the second sample comes within a minute`);
  }
  const [width, height, left, bottom] = [600, 170, 70, 22];
  const svg = (name, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const [times, values] = [points.map((one) => one[0]), points.map((one) => one[1])];
  const [begin, end] = [times[0], times[times.length - 1]];
  let [least, most] = [Math.min(...values), Math.max(...values)];
  if (least === most) [least, most] = [least * 0.99, most * 1.01 || 1];
  const x = (time) => left + ((width - left - 8) * (time - begin)) / Math.max(1, end - begin);
  const y = (value) => 8 + ((height - bottom - 8) * (most - value)) / (most - least);
  const line = points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`);
  const label = (at, up, anchor, words) =>
    svg("text", { x: at, y: up, "text-anchor": anchor }, words);
  const when = (time) => (end - begin < 172800 ? new Date(time * 1000).toLocaleTimeString()
    : date(time));
  const words = `${caption}: ${text(values[0])} at ${when(begin)}, ` +
    `${text(values[values.length - 1])} at ${when(end)}`;
  return el("figure", {}, el("figcaption", {}, words),
    svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
      svg("line", { x1: left, x2: left, y1: 8, y2: height - bottom }),
      svg("line", { x1: left, x2: width - 8, y1: height - bottom, y2: height - bottom }),
      svg("polyline", { points: line.join(" ") }),
      label(left - 6, 16, "end", text(most)), label(left - 6, height - bottom, "end", text(least)),
      label(left, height - 6, "start", when(begin)),
      label(width - 8, height - 6, "end", when(end))));
}

views.costs = {
  name: "Costs",
  draw: (view) => view.replaceChildren(el("div", { id: "costs" })),
  async look() {
    const { costs, samples } = await get("/api/costs");
    const own = costs.root;
    const card = (value, name, tone) => el("div", { class: "card" },
      el("b", { class: tone || null }, value), el("span", {}, name));
    const cards = [
      card(own.level, "level of root", tones[own.level]),
      card(cycles(own.available), `can be spent, above ${cycles(own.reserve)}`),
      card(own.spent_per_day === null ? "–" : cycles(own.spent_per_day), "leave root a day"),
      card(days(own.days_left), own.dry_at === null || own.days_left >= 36500 ? "left"
        : `left: root is at its reserve on ${date(own.dry_at)}`),
      card(cycles(costs.charged_today), costs.budget === null ? "granted today, without a limit"
        : `granted today, of ${cycles(costs.budget)}`),
    ];
    const lasting = samples.filter((one) => one.days_left !== null);
    const roles = table("Roles", [
      ["role", (row) => row.role],
      ["members", (row) => row.members, true],
      ["seen", (row) => row.seen, true],
      ["burn a day", (row) => row.seen ? cycles(row.burned_per_day) : null, true],
      ["poorest has left", (row) => row.days_left === null
        ? (row.seen ? "> 14 d" : null) : days(row.days_left), true],
      ["level", (row) => word(row.level)],
      ["frozen", (row) => row.frozen, true],
      ["refused", (row) => row.refused, true],
    ], costs.roles);
    const granted = table("Grants", [
      ["day", (row) => date(row.day)],
      ["grants", (row) => row.grants, true],
      ["refusals", (row) => row.refusals, true],
      ["cycles", (row) => Object.entries(row.granted)
        .map(([purpose, amount]) => `${purpose} ${cycles(amount)}`).join(", ")],
    ], costs.days.slice().reverse());
    const refused = table("Refusals", [
      ["when", (row) => `${age(row.at)} ago`],
      ["canister", (row) => id(row.canister)],
      ["for", (row) => row.purpose],
      ["cycles", (row) => cycles(row.cycles), true],
      ["limit", (row) => row.limit],
      ["left of it", (row) => cycles(row.left), true],
      ["times", (row) => row.times, true],
    ], costs.refused.slice().reverse());
    $("costs").replaceChildren(el("div", { class: "cards" }, cards),
      own.reason ? el("p", { class: tones[own.level] }, own.reason) : "",
      el("div", { class: "cards" },
        chart("Root's cycles", samples.map((one) => [one.at, Number(one.cycles)]), cycles),
        lasting.length ? chart("Days left", lasting.map((one) => [one.at, one.days_left]), days)
          : ""),
      el("h2", {}, "Roles"), roles, el("h2", {}, "Grants of the last 30 days"),
      costs.days.length ? granted : el("p", { class: "dim" }, "no grants"),
      costs.refused.length ? el("h2", {}, "Refused grants") : "",
      costs.refused.length ? refused : "");
  },
};

views.logs = {
  name: "Logs",
  draw: (view) => view.replaceChildren(el("pre", { id: "logs", tabindex: "0", "aria-label": "Log of root" })),
  async look() {
    const { lines } = await get("/api/logs");
    const tone = (text) => text.startsWith("ERROR") ? "bad" : text.startsWith("WARN") ? "warn" : null;
    const made = lines.slice().reverse().map((line) =>
      el("div", { class: tone(line.text) }, `${age(line.time)} ago  ${line.text}`));
    $("logs").replaceChildren(...(made.length ? made : ["no lines"]));
  },
};

let root = "";
let shown = "";
let looking = false;

function tabs() {
  const names = Object.keys(views);
  $("tabs").replaceChildren(...names.map((name) => el("button", { type: "button", role: "tab",
    id: `tab-${name}`, "aria-controls": "view", "aria-selected": String(name === shown),
    tabindex: name === shown ? "0" : "-1", onclick: () => { location.hash = name; },
    onkeydown: (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step) return;
      const next = names[(names.indexOf(name) + step + names.length) % names.length];
      location.hash = next;
      setTimeout(() => $(`tab-${next}`).focus());
    } }, views[name].name)));
  $("view").setAttribute("aria-labelledby", `tab-${shown}`);
}

async function choose() {
  const name = location.hash.slice(1);
  shown = views[name] ? name : "overview";
  tabs();
  problem("");
  views[shown].draw($("view"));
  await refresh();
}

async function refresh() {
  if (looking) return;
  looking = true;
  try {
    await views[shown].look();
    $("fresh").textContent = `seen at ${new Date().toLocaleTimeString()}`;
  } catch (e) {
    problem(e.message);
  } finally {
    looking = false;
  }
}

document.addEventListener("keydown", (e) => {
  const typing = e.target.matches("input, select, textarea") || $("confirm").open;
  if (typing || e.ctrlKey || e.metaKey || e.altKey) return;
  const name = Object.keys(views)[Number(e.key) - 1];
  if (name) location.hash = name;
  else if (e.key === "r") refresh();
  else if (e.key === "/") {
    const field = document.querySelector("form.filter input, form.filter select");
    if (field) { e.preventDefault(); field.focus(); }
  }
});

window.addEventListener("hashchange", () => { choose(); });

async function begin() {
  try {
    const fleet = await get("/api/fleet");
    root = fleet.root;
    $("fleet").replaceChildren("root ", id(fleet.root), ` on ${fleet.network}, as `, id(fleet.caller));
    await choose();
    setInterval(() => { if (!document.hidden) refresh(); }, 3000);
  } catch (e) {
    problem(e.message);
  }
}
begin();
