// Keeps pages fresh, moves the video, tells the time. Every page works without it.
"use strict";

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
        document.querySelectorAll("[data-live]").forEach((old) => {
          const fresh = page.getElementById(old.id);
          if (fresh) live.replace(old, fresh);
        });
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
      if (document.activeElement.matches("a, summary, pre, ol")) live.keep = live.path(old);
    }
    old.querySelectorAll("details[id]").forEach((details) => {
      const same = fresh.querySelector("#" + CSS.escape(details.id));
      if (same) same.open = details.open;
    });
    const scrolled = [...old.querySelectorAll("pre, ol.log")].map((box) => box.scrollTop);
    const images = new Map([...old.querySelectorAll("img[src]")].map((i) => [i.getAttribute("src"), i]));
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

// Links to a time play the video on this page instead of leaving it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-seek]");
  const video = document.getElementById("video");
  if (!link || !video || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const [file] = link.getAttribute("href").split("#");
  const go = () => { video.currentTime = Number(link.dataset.seek); };
  if (video.getAttribute("src") === file) {
    go();
  } else {
    // The recording has grown since it was loaded.
    video.addEventListener("loadedmetadata", go, { once: true });
    video.src = file;
  }
  const box = video.getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight) video.scrollIntoView({ block: "nearest" });
});

// On a step's page the arrow keys go to its neighbours.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, pre, video")) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`nav a[rel=${rel}]`);
  if (link) location.assign(link.href);
});

// The words of a page grow old while it is open.
function tell(time) {
  const seconds = Math.round((Date.now() - Date.parse(time.dateTime)) / 1000);
  const past = Math.abs(seconds);
  if (past < 10) return "just now";
  const [amount, unit] = past < 90 ? [past, "second"]
    : past < 5400 ? [Math.floor(past / 60), "minute"]
    : past < 129600 ? [Math.floor(past / 3600), "hour"]
    : [Math.floor(past / 86400), "day"];
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
