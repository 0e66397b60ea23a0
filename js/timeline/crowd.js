/** Keys that stand too close to be told apart are shown as stacks: else many would be a grey wall. */

const CLOSE = 12; // pixels to the next one, below which there is a crowd
const STACK = 40; // that a stack takes at least

/**
 * Groups of items, in order; one of several is a stack. begin, end: of an item, in pixels.
 * whole: an item belongs to a stack only where it ends within it, as a segment does.
 */
export function groups(items, begin, end, whole = false) {
  const made = [];
  let crowded = false;
  for (const item of items) {
    const group = made.at(-1);
    const wide = end(item) - begin(item) >= CLOSE;
    const joins = group && crowded && begin(item) - begin(group[0]) < STACK && !(whole && wide);
    if (joins) group.push(item);
    else made.push([item]);
    crowded = !wide;
  }
  return made;
}
