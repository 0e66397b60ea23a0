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
