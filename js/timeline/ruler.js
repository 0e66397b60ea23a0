/** The ruler: frames counted from 1, as animators count them, and the seconds. */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 22;
const ROOM = 48; // pixels that a label needs
const ROOM_OF_SECONDS = 64; // and one that also tells the second
const CLOSEST = 8; // from one second's line to the next

/** A path in an element of its own above a track. */
export function pathElement(track, className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.classList.add(className);
  svg.setAttribute("aria-hidden", "true");
  track.append(svg);
  return svg.appendChild(document.createElementNS(SVG, "path"));
}

/** Frames from one label to the next, so that seconds are among them. */
export function labelStep(px, fps) {
  const second = Math.max(1, Math.round(fps));
  const within = [1, 2, 3, 4, 6, 8, 12].filter((n) => second % n === 0 && n < second);
  const steps = [...within, ...[1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200].map((n) => n * second)];
  const fits = (step) => step * px >= (step < second ? ROOM : ROOM_OF_SECONDS);
  return steps.find(fits) ?? steps.at(-1);
}

export function drawRuler(svg, { x, px, sight, length, fps }) {
  const step = labelStep(px, fps);
  const second = Math.max(1, Math.round(fps));
  const first = Math.max(0, sight.first);
  const last = Math.min(length - 1, sight.last);
  const fine = px >= 5 ? 1 : Math.max(1, Math.round(step / 4));
  const ticks = [];
  const seconds = [];
  for (let frame = Math.ceil(first / fine) * fine; frame <= last; frame += fine) {
    const at = x(frame) + 0.5;
    if (frame % second === 0) continue;
    ticks.push(`M${at} ${frame % step ? HEIGHT - 4 : HEIGHT - 8}V${HEIGHT}`);
  }
  const thin = second * Math.max(1, Math.round(CLOSEST / (second * px)));
  for (let frame = Math.ceil(first / thin) * thin; frame <= last; frame += thin) {
    seconds.push(`M${x(frame) + 0.5} ${frame % step ? HEIGHT - 8 : 3}V${HEIGHT}`);
  }
  const labels = [];
  for (let frame = Math.ceil(first / step) * step; frame <= last; frame += step) {
    const whole = frame % second === 0 && frame > 0;
    const told = whole ? `<tspan class="second" dx="4">${frame / second}s</tspan>` : "";
    labels.push(`<text x="${x(frame) + 4}" y="11">${frame + 1}${told}</text>`);
  }
  const path = (name, lines) => `<path class="${name}" d="${lines.join("")}"/>`;
  svg.setAttribute("width", x(length) + ROOM);
  svg.innerHTML = path("tick", ticks) + path("second", seconds) + labels.join("");
}
