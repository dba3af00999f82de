// What is open stays open, and what has the focus keeps it, although everything around it is made anew.

const FOCUSABLE = "a[href], button, summary, input, select, [tabindex]";

/** Calls `change`, which fills `place` anew; what is open is told by its id, what has the focus by its id or its turn. */
export function keeping(place, change) {
  const open = [...place.querySelectorAll("details[open]")].map((each) => each.id);
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const before = [...place.querySelectorAll(FOCUSABLE)];
  const turn = before.indexOf(focused);
  change();
  for (const details of place.querySelectorAll("details")) if (details.id && open.includes(details.id)) details.open = true;
  if (!focused || focused.isConnected) return;
  const after = [...place.querySelectorAll(FOCUSABLE)];
  const sameTurn = after.length === before.length ? after[turn] : null;
  const found = (focused.id && document.getElementById(focused.id)) || sameTurn;
  found?.focus({ preventScroll: true });
}
