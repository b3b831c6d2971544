// Sorts and filters the list of clips, and plays their sounds one at a time.
"use strict";
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

  sort.addEventListener("change", arrange);
  filter.addEventListener("input", choose);
  direction.addEventListener("click", () => {
    const descending = direction.getAttribute("aria-pressed") !== "true";
    direction.setAttribute("aria-pressed", String(descending));
    direction.textContent = descending ? "descending" : "ascending";
    arrange();
  });

  const player = new Audio();
  let playing = null;
  const stop = () => {
    player.pause();
    playing?.setAttribute("aria-pressed", "false");
    playing = null;
  };
  player.addEventListener("ended", stop);
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button.play");
    if (!button) return;
    const again = button === playing;
    stop();
    if (again) return;
    playing = button;
    button.setAttribute("aria-pressed", "true");
    player.src = button.dataset.sound;
    player.play().catch(stop);
  });
  // for whoever drives this page by a program
  list.player = player;
}
