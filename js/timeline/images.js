/** Pictures that are loaded ahead, so that a film runs; the latest are kept. */

const MOST = 240;
const images = new Map(); // by address

/** The <img> of an address; `ready` is called once it can be shown, or cannot be. */
export function imageOf(url, ready) {
  let image = images.get(url);
  if (image) {
    images.delete(url); // and to the end, as the latest
  } else {
    image = Object.assign(new Image(), { draggable: false, alt: "", src: url });
    image.decode().then(
      () => (image.dataset.is = "there"),
      () => (image.dataset.is = "missing"),
    );
  }
  images.set(url, image);
  if (images.size > MOST) images.delete(images.keys().next().value);
  if (ready && !image.dataset.is) image.decode().then(ready, ready);
  return image;
}

export const isThere = (image) => image.dataset.is === "there";
export const isSettled = (image) => Boolean(image.dataset.is);

const CLOSE = 1.25; // of two shapes: then the one is stretched to the other

/**
 * Lays a picture upon a stage so that one of its `cells`, one below the other, is seen, as the
 * engine brings a take to the shot's size: stretched where the shapes are close, else without the
 * bars that it was made with (toon_core/shots/joins.py). aspect: of the stage, width over height.
 */
export function layCell(image, cell, cells, aspect) {
  const wide = (image.naturalWidth * cells) / image.naturalHeight / aspect;
  const bars = Math.max(wide, 1 / wide) > CLOSE;
  const width = bars ? Math.max(1, wide) : 1;
  const height = bars ? Math.max(1, 1 / wide) : 1;
  const parts = { width, height: height * cells, left: (1 - width) / 2 };
  parts.top = (1 - height) / 2 - cell * height;
  for (const [name, part] of Object.entries(parts)) image.style[name] = `${part * 100}%`;
}
