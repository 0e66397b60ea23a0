/** Keys too close to be told apart are shown as stacks: else many would be a grey wall. */

const CLOSE = 8; // pixels to the next one, below which there is a crowd
const STACK = 40; // that a stack takes at least
const FEW = 3; // fewer can be taken hold of one by one, though they overlap

/**
 * Groups of items, in order; one of several is a stack. begin, end: of an item, in pixels.
 * whole: an item belongs to a crowd only where it ends within it, as a segment does.
 */
export function groups(items, begin, end, whole = false) {
  const isClose = (item) => end(item) - begin(item) < CLOSE;
  const crowds = [];
  for (const [i, item] of items.entries()) {
    const joins = i > 0 && isClose(items[i - 1]) && (!whole || isClose(item));
    if (joins) crowds.at(-1).push(item);
    else crowds.push([item]);
  }
  const single = (crowd) => crowd.map((one) => [one]);
  return crowds.flatMap((crowd) => (crowd.length < FEW ? single(crowd) : stacks(crowd, begin)));
}

function stacks(crowd, begin) {
  const made = [];
  for (const item of crowd) {
    if (made.length && begin(item) - begin(made.at(-1)[0]) < STACK) made.at(-1).push(item);
    else made.push([item]);
  }
  if (made.length > 1 && made.at(-1).length < FEW) made.at(-2).push(...made.pop());
  return made;
}
