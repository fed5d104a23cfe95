
// Keeps pages fresh, listens to keys, tells the time. Every page works without it.

// A stream of events says that something has changed; the page is then asked for again, and its
// parts marked data-live are put in. So the server alone knows how a page looks.
const live = {
  waiting: false,
  busy: false,

  async refresh() {
    if (live.busy) {
      live.waiting = true;
      return;
    }
    live.busy = true;
    try {
      const answer = await fetch(location.href.split("#")[0], { headers: { accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const picked = picks.now();
        document.querySelectorAll("[data-live]").forEach((old) => {
          const fresh = page.getElementById(old.id);
          if (fresh) live.replace(old, fresh);
        });
        picks.again(picked);
      }
    } catch {
      // The appliance is away; the stream connects again by itself.
    }
    // At most one look a second, however much happens.
    setTimeout(() => {
      live.busy = false;
      if (live.waiting) {
        live.waiting = false;
        live.refresh();
      }
    }, 1000);
  },

  replace(old, fresh) {
    if (old.innerHTML === fresh.innerHTML) return;
    if (old.contains(document.activeElement) && document.activeElement !== old) {
      // Somebody is here with the keyboard; the next change comes soon enough.
      if (document.activeElement.matches("a, summary, pre, ol, input")) live.keep = live.path(old);
    }
    old.querySelectorAll("details[id]").forEach((details) => {
      const same = fresh.querySelector("#" + CSS.escape(details.id));
      if (same) same.open = details.open;
    });
    const scrolled = [...old.querySelectorAll("pre, ol.log")].map((box) => box.scrollTop);
    const images = new Map([...old.querySelectorAll("img[src]")].map((i) => [i.getAttribute("src"), i]));
    // How far something is never goes backward before people's eyes.
    const bars = [...old.querySelectorAll("progress[data-forward]")];
    const next = fresh.querySelectorAll("progress[data-forward]");
    if (bars.length === next.length) {
      next.forEach((bar, at) => { bar.value = Math.max(bar.value, bars[at].value); });
    }
    old.replaceChildren(...fresh.childNodes);
    // A picture that is shown already stays, or it would flicker.
    old.querySelectorAll("img[src]").forEach((image) => {
      const shown = images.get(image.getAttribute("src"));
      if (shown) {
        images.delete(image.getAttribute("src"));
        image.replaceWith(shown);
      }
    });
    old.querySelectorAll("pre, ol.log").forEach((box, at) => { box.scrollTop = scrolled[at] ?? 0; });
    film.show();
    if (live.keep) {
      const focus = old.querySelector(live.keep);
      live.keep = null;
      if (focus) focus.focus({ preventScroll: true });
    }
  },

  // A way back to the focused element after its part was put in anew.
  path(root) {
    const focus = document.activeElement;
    if (focus.id) return "#" + CSS.escape(focus.id);
    const href = focus.getAttribute("href");
    if (href) return `a[href="${CSS.escape(href)}"]`;
    const details = focus.closest("details[id]");
    return details && root.contains(details) ? `#${CSS.escape(details.id)} > summary` : null;
  },

  listen(address) {
    const stream = new EventSource(address);
    const picture = document.querySelector("[data-live-picture]");
    stream.addEventListener("changed", live.refresh);
    stream.addEventListener("over", () => {
      stream.close();
      live.refresh();
    });
    stream.addEventListener("picture", (event) => {
      if (!picture) return;
      // Loaded beside the page first, so that the screen never blinks.
      const next = new Image();
      next.onload = () => { picture.src = next.src; };
      next.src = `${picture.getAttribute("src").split("?")[0]}?at=${encodeURIComponent(event.data)}`;
    });
    addEventListener("pagehide", () => stream.close());
  },
};

// Jobs that are picked, for the form beside their lists. A job that starts moves from one part of the
// page into another, and stays picked.
const picks = {
  form: document.getElementById("many"),
  boxes: () => [...document.querySelectorAll(".pick input[type=checkbox]")],
  now: () => new Set(picks.boxes().filter((box) => box.checked).map((box) => box.value)),

  again(picked) {
    picks.boxes().forEach((box) => { box.checked = picked.has(box.value); });
    picks.tell();
  },

  tell() {
    if (!picks.form) return;
    const [all, count] = [picks.boxes().length, picks.now().size];
    const box = picks.form.elements.all;
    box.checked = count > 0 && count === all;
    box.indeterminate = count > 0 && count < all;
    const words = count ? `${count} picked` : "";
    const told = picks.form.querySelector("[role=status]");
    if (told.textContent !== words) told.textContent = words;
  },
};
document.addEventListener("change", ({ target }) => {
  if (target === picks.form?.elements.all) {
    picks.boxes().forEach((box) => { box.checked = target.checked; });
  }
  if (target.form === picks.form) picks.tell();
});
addEventListener("pageshow", picks.tell);

// One table: what a key does, and what is said of it. Every one has a link or a control that does
// the same.
const go = (selector) => {
  const link = document.querySelector(selector);
  if (link) location.assign(link.href);
};
const stride = (by) => {
  const stops = [...document.querySelectorAll(".steps .what, .card a.job, .jobs a.job")];
  const here = stops.findIndex((stop) => stop === document.activeElement);
  const stop = here < 0 ? stops[by > 0 ? 0 : stops.length - 1] : stops[here + by];
  stop?.focus();
  stop?.scrollIntoView({ block: "nearest" });
};
const keys = {
  "?": ["These keys", () => help.showModal()],
  "/": ["Find a job", () => document.getElementById("find").focus()],
  j: ["Next step or job", () => stride(1)],
  k: ["Previous step or job", () => stride(-1)],
  ".": ["The step that failed, or runs", () => {
    const step = document.querySelector(".steps > .fail .what") ??
      document.querySelector(".steps > .running .what");
    step?.focus();
    step?.scrollIntoView({ block: "center" });
  }],
  x: ["Pick the job, or not", () => {
    document.activeElement.closest(".jobs tr, .card")?.querySelector(".pick input")?.click();
  }],
  p: ["Play or pause the video", () => { if (video?.paused) video.play(); else video?.pause(); }],
  u: ["Up: from a step to its job", () => go(".crumbs a:last-of-type")],
  "←": ["Previous step", () => go("nav a[rel=prev]")],
  "→": ["Next step, older jobs", () => go("nav a[rel=next]")],
};
document.querySelectorAll(".bar nav:not(.you) a").forEach((place, at) => {
  if (at < 9) keys[at + 1] = [place.textContent, () => location.assign(place.href)];
});

const make = (tag, attributes, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
};
const single = make("input", { type: "checkbox", checked: !localStorage.getItem("keys-off") });
single.addEventListener("change", () => {
  if (single.checked) localStorage.removeItem("keys-off");
  else localStorage.setItem("keys-off", "1");
});
const help = make("dialog", { id: "keys" },
  make("h2", { id: "keys-title" }, "Keys"),
  make("dl", {}, ...Object.entries(keys).flatMap(([key, [words]]) =>
    [make("dt", {}, make("kbd", {}, key)), make("dd", {}, words)])),
  make("label", {}, single, "Single keys are listened to"),
  make("form", { method: "dialog" }, make("button", {}, "Close")));
help.setAttribute("aria-labelledby", "keys-title");
const opener = make("button", { type: "button" }, "Keys ", make("kbd", {}, "?"));
opener.addEventListener("click", () => help.showModal());
document.querySelector(".foot").append(opener);
document.body.append(help);

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || help.open) return;
  if (event.target.closest("input, textarea, select, pre, video, [contenteditable]")) return;
  if (!single.checked) return;
  const key = { ArrowLeft: "←", ArrowRight: "→" }[event.key] ?? event.key;
  if (!Object.hasOwn(keys, key)) return;
  event.preventDefault();
  keys[key][1]();
});

// The words of a page grow old while it is open.
function tell(time) {
  const seconds = Math.round((Date.now() - Date.parse(time.dateTime)) / 1000);
  const past = Math.abs(seconds);
  if (time.dataset.relative === "expected" && seconds > -10) return "any moment";
  if (past < 10) return "just now";
  const [amount, unit] = past < 90 ? [past, "second"]
    : past < 5400 ? [Math.round(past / 60), "minute"]
    : past < 129600 ? [Math.round(past / 3600), "hour"]
    : [Math.round(past / 86400), "day"];
  const words = `${amount} ${unit}${amount === 1 ? "" : "s"}`;
  return seconds < 0 ? `in ${words}` : `${words} ago`;
}
setInterval(() => {
  document.querySelectorAll("time[data-relative]").forEach((time) => {
    const words = tell(time);
    if (time.textContent !== words) time.textContent = words;
  });
}, 10000);

if (document.body.dataset.events) live.listen(document.body.dataset.events);
