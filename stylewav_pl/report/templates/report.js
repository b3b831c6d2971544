// Shows how a face came about, plays voices one at a time, and sorts and filters the list of clips.
"use strict";

// The faces at the top: the way of the one that is pointed at, tapped or focused.
const show = (button) => {
  const row = button.closest(".row");
  for (const other of row.querySelectorAll(".pick")) {
    const chosen = other === button;
    other.setAttribute("aria-pressed", String(chosen));
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
};
for (const button of document.querySelectorAll(".pick")) {
  for (const happens of ["mouseenter", "focus", "click"]) button.addEventListener(happens, () => show(button));
}

// Voices: a sound lies in the list of clips alone, other buttons name its place there.
const player = new Audio();
let playing = null;
const stop = () => {
  player.pause();
  playing?.setAttribute("aria-pressed", "false");
  playing = null;
};
player.addEventListener("ended", stop);
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.play");
  if (!button) return;
  const again = button === playing;
  stop();
  if (again) return;
  playing = button;
  button.setAttribute("aria-pressed", "true");
  player.src = button.dataset.sound ?? document.getElementById("sound-" + button.dataset.play).dataset.sound;
  player.play().catch(stop);
});

// Tables: on a phone each value carries the head of its column; whatever can be scrolled can be reached by keys.
for (const table of document.querySelectorAll("table.stack")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent);
  for (const row of table.tBodies[0].rows) {
    if (row.cells.length === heads.length) [...row.cells].forEach((cell, index) => cell.dataset.head ??= heads[index]);
  }
}
const reachable = () => {
  for (const box of document.querySelectorAll(".wide")) {
    const scrolls = box.scrollWidth > box.clientWidth;
    for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", "a wide table"]]) {
      if (scrolls) box.setAttribute(name, value);
      else box.removeAttribute(name);
    }
  }
};
addEventListener("resize", reachable);
reachable();

const list = document.getElementById("clips");
if (list) {
  const clips = [...list.children];
  const [filter, sort, direction, shown] = ["filter", "sort", "direction", "shown"].map((id) => document.getElementById(id));

  const arrange = () => {
    const descending = direction.getAttribute("aria-pressed") === "true";
    const key = (clip) => clip.getAttribute("data-k" + sort.value) ?? "";
    const numeric = sort.value !== "" && clips.every((clip) => key(clip) === "" || Number.isFinite(Number(key(clip))));
    const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
    const known = clips.filter((clip) => key(clip) !== "");
    const ordered = sort.value === "" ? [...clips] : known.sort((a, b) => compare(key(a), key(b)));
    if (descending) ordered.reverse();
    // what has no value comes last in both directions
    list.append(...ordered, ...(sort.value === "" ? [] : clips.filter((clip) => key(clip) === "")));
  };

  const choose = () => {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const clip of clips) {
      // words that begin like the wanted ones, so that "male" does not find "female"
      const words = clip.dataset.text.toLowerCase().split(/[\s/]+/);
      clip.hidden = !wanted.every((part) => words.some((word) => word.startsWith(part)));
      count += clip.hidden ? 0 : 1;
    }
    shown.value = count === clips.length ? `${count} clips` : `${count} of ${clips.length} clips`;
  };

  // A link to a clip that a filter hides takes the filter away.
  const follow = () => {
    const clip = location.hash && document.getElementById(location.hash.slice(1));
    if (!clip?.hidden) return;
    filter.value = "";
    choose();
    clip.scrollIntoView();
  };

  addEventListener("hashchange", follow);
  sort.addEventListener("change", arrange);
  filter.addEventListener("input", choose);
  direction.addEventListener("click", () => {
    const descending = direction.getAttribute("aria-pressed") !== "true";
    direction.setAttribute("aria-pressed", String(descending));
    direction.textContent = descending ? "descending" : "ascending";
    arrange();
  });
  // for whoever drives this page by a program
  list.player = player;
}
