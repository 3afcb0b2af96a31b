// Tables that are wider than the page can be scrolled with the keyboard, too: the theme wraps them, and forgets that.
const reach = () => {
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap"))
    wrap.tabIndex = wrap.scrollWidth > wrap.clientWidth ? 0 : -1
}
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true })
window.addEventListener("resize", reach)
reach()
