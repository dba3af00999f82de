// Asks again and again, one question at a time, and rests while nobody looks.

/** Calls `ask` every `period()` milliseconds, measured from answer to question. Returns a function that asks now. */
export function poll(ask, period) {
  let timer = 0;
  let asking = false;

  async function now() {
    clearTimeout(timer);
    if (asking || document.hidden) return;
    asking = true;
    try {
      await ask();
    } finally {
      asking = false;
      if (!document.hidden) timer = setTimeout(now, period());
    }
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : now()));
  now();
  return now;
}
