// Joins a video with the steps, the log and the plots beside it. Pages and reports share it, and
// everything is there to be read, and to be reached, without it.
"use strict";

const video = document.getElementById("video");

const film = {
  // The engine's clock, in seconds, at the video's first picture.
  epoch: Number(video?.dataset.epoch ?? 0),
  // Tells the time of day where the page's times are from; in a zone the browser does not know, its
  // own.
  clock: (() => {
    try {
      return new Intl.DateTimeFormat(undefined, {
        timeStyle: "medium", timeZone: video?.dataset.zone,
      });
    } catch {
      return new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
    }
  })(),

  seek(seconds, file) {
    const go = () => { video.currentTime = Math.max(0, seconds); };
    if (!file || video.getAttribute("src") === file) {
      go();
    } else {
      // The recording has grown since it was loaded.
      video.addEventListener("loadedmetadata", go, { once: true });
      video.src = file;
    }
    const box = video.getBoundingClientRect();
    if (box.bottom < 0 || box.top > innerHeight) video.scrollIntoView({ block: "nearest" });
  },

  // The last of the links in a list whose time has come, as its line. Lit alone in that list.
  light(list) {
    let line = null;
    for (const link of document.querySelectorAll(`${list} a[data-seek]`)) {
      if (Number(link.dataset.seek) > video.currentTime + 0.05) break;
      line = link.closest("li");
    }
    if (line?.classList.contains("playing")) return line;
    document.querySelectorAll(`${list} > .playing`).forEach((old) => old.classList.remove("playing"));
    line?.classList.add("playing");
    return line;
  },

  // Shows the video's place everywhere on the page, once there is one.
  show() {
    if (!video || (video.currentTime === 0 && video.played.length === 0)) return;
    const step = film.light(".steps");
    document.querySelectorAll(".timeline .playing").forEach((old) => old.classList.remove("playing"));
    document.querySelector(`.timeline a[href='#${step?.id}']`)?.classList.add("playing");
    const line = film.light(".log");
    const log = line?.parentElement;
    // Whoever reads in the log is left alone.
    if (log && !log.matches(":hover, :focus-within")) {
      log.scrollTop = line.offsetTop - log.offsetTop - log.clientHeight / 2;
    }
    const at = film.epoch + video.currentTime;
    document.querySelectorAll(".playhead").forEach((head) => {
      const until = Number(head.closest("[data-until]").dataset.until);
      const x = Math.min(1, at / until) * head.ownerSVGElement.viewBox.baseVal.width;
      head.setAttribute("x1", x);
      head.setAttribute("x2", x);
    });
    const words = document.querySelector(".recording .hint");
    if (!words) return;
    const began = Date.parse(video.dataset.began);
    const now = Number.isNaN(began) ? null : film.clock.format(new Date(began + at * 1000));
    const told = [now, step?.querySelector(".what").textContent];
    words.textContent = told.filter(Boolean).join(" · ");
  },
};

// A link to a time moves the video on this page instead of leaving it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-seek]");
  if (!link || !video || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  film.seek(Number(link.dataset.seek), link.getAttribute("href").split("#")[0]);
});

// So does a place in a plot.
document.addEventListener("click", (event) => {
  const plot = event.target.closest(".chart svg");
  if (!plot || !video) return;
  const box = plot.getBoundingClientRect();
  const until = Number(plot.closest("[data-until]").dataset.until);
  film.seek((event.clientX - box.left) / box.width * until - film.epoch);
});

for (const moved of ["timeupdate", "seeking"]) video?.addEventListener(moved, film.show);
