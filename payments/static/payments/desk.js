// What unfold lets only a mouse do, the keyboard does too: its clickable spans and links without an address take
// the focus, and Enter and Space click them.
(() => {
  const PLAIN = "button, input, select, textarea, a[href], summary";

  function reach(root) {
    for (const one of root.querySelectorAll("[x-on\\:click]")) {
      // What has nothing to read is the backdrop of something that is open.
      if (one.matches(PLAIN) || one.hasAttribute("tabindex") || !one.textContent.trim()) continue;
      one.tabIndex = 0;
      one.setAttribute("role", "button");
      one.dataset.reached = "";
    }
  }

  document.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target.matches("[data-reached]")) {
      event.preventDefault();
      event.target.click();
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    reach(document);
    new MutationObserver((changes) => {
      for (const change of changes) {
        for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) reach(node);
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
})();
