// Runs before the first paint, as a file of its own because the policy allows no inline script.
;(function () {
  var chosen = null
  try {
    chosen = localStorage.getItem('yard.theme')
  } catch (_) {
    // Storage may be denied; the system's theme is then used.
  }
  var dark = matchMedia('(prefers-color-scheme: dark)').matches
  var theme = chosen === 'light' || chosen === 'dark' ? chosen : dark ? 'dark' : 'light'
  document.documentElement.dataset.theme = theme
})()
