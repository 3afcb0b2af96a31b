// Keeps the keyboard where it makes sense after a click has swapped the shop.
(() => {
  let looked = false;
  let pressed = false;

  document.addEventListener("submit", (event) => {
    looked = (event.submitter?.value ?? "").startsWith("look:");
    pressed = true;
  });

  document.addEventListener("htmx:after:settle", () => {
    const opened = document.getElementById("looking-title");
    if (looked && opened) {
      // What was opened stands above the list, and may be out of sight.
      looked = false;
      opened.focus({ preventScroll: true });
      const { top, bottom } = opened.getBoundingClientRect();
      if (top < 0 || bottom > innerHeight) {
        const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
        document.getElementById("looking-at").scrollIntoView({ behavior: still ? "instant" : "smooth" });
      }
    } else if (pressed && document.activeElement === document.body) {
      // The button that was pressed is gone, such as the one that pays. What comes by itself moves nobody.
      pressed = false;
      document.getElementById("score-title")?.focus({ preventScroll: true });
    }
  });
})();
