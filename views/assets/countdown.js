// Counts down what the page says as a time already. Without this file nothing is missing but the seconds.
const openedAt = Date.now();
const left = element => Number(element) - (Date.now() - openedAt);

function inMinutes(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function tell(element, text) {
  // What is read out is written once: the same text again would be read out again.
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const element of document.querySelectorAll('[data-left]')) {
    const ms = left(element.dataset.left);
    tell(element, ms > 0 ? element.dataset.text.replace('{left}', inMinutes(ms)) : element.dataset.over);
    element.hidden = element.textContent === '';
  }
  for (const element of document.querySelectorAll('[data-wait]')) {
    if (left(element.dataset.wait) <= 0) tell(element, element.dataset.ready);
  }
  for (const element of document.querySelectorAll('[data-notice]')) {
    const ms = left(element.dataset.notice);
    if (ms <= 0) tell(element, element.dataset.over);
    else if (ms <= 60_000) tell(element, element.dataset.soon);
  }
}

tick();
setInterval(tick, 500);
