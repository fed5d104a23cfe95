// A report's only script: what names a time moves the video there. Without it all is still read.
"use strict";
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-seek]");
  const video = document.getElementById("video");
  if (!link || !video) return;
  event.preventDefault();
  video.currentTime = Number(link.dataset.seek);
  video.scrollIntoView({ block: "nearest" });
});
