// Light or dark: what the system says, or what the reader chose. Runs before anything is drawn.
(() => {
  const KEY = "presage-console-theme";
  const CHOICES = ["auto", "light", "dark"];
  const root = document.documentElement;

  function read() {
    try {
      const chosen = localStorage.getItem(KEY);
      return CHOICES.includes(chosen) ? chosen : "auto";
    } catch {
      return "auto"; // no storage, as in some private windows
    }
  }

  function apply(choice) {
    if (choice === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", choice);
    document.dispatchEvent(new CustomEvent("presage:theme"));
  }

  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-toggle]");
    if (!button) return;
    const show = () => {
      button.textContent = `Theme: ${read()}`;
    };
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(read()) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // it holds until the page is left
      }
      apply(next);
      show();
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(read()));
})();
