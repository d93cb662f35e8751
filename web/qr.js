// QR codes: drawing, and reading from a picture or the camera.

import { encodeQR } from './vendor/qr/index.js';

const SVG = 'http://www.w3.org/2000/svg';
const QUIET = 2;
/** Modules on a side of version 6, with the border: what a phone reads from another one's screen without trouble. */
const LARGE = 41 + 2 * QUIET;
const MAX_PICTURE = 1600;
const LOOK_EVERY_MS = 150;
/** A camera that nobody holds a code in front of is closed again. */
const LOOK_MS = 180000;

/** The rows of the code of `text`, a border of light modules around them. Small modules are worse than less redundancy. */
export function rowsOf(text) {
  const medium = encodeQR(text, 'raw', { ecc: 'medium', border: QUIET });
  return medium.length <= LARGE ? medium : encodeQR(text, 'raw', { ecc: 'low', border: QUIET });
}

/** An SVG element that shows `text`. */
export function draw(text) {
  const rows = rowsOf(text);
  let path = '';
  rows.forEach((row, y) => {
    row.forEach((dark, x) => {
      if (dark) path += `M${x} ${y}h1v1h-1z`;
    });
  });
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${rows.length} ${rows.length}`);
  svg.setAttribute('shape-rendering', 'crispEdges');
  const dark = document.createElementNS(SVG, 'path');
  dark.setAttribute('d', path);
  dark.setAttribute('fill', '#000');
  svg.append(dark);
  return svg;
}

/** The text of the QR code in a picture file; null if none is found. */
export async function readPicture(file) {
  const picture = await createImageBitmap(file);
  try {
    return await read(picture, picture.width, picture.height);
  } finally {
    picture.close();
  }
}

/** Whether this page may ask for a camera. */
export function cameraPossible() {
  return isSecureContext && typeof navigator.mediaDevices?.getUserMedia === 'function';
}

/**
 * Looks through the camera until a code is seen; null if `signal` aborts or none is seen for minutes. Throws if the camera
 * fails.
 */
export async function readCamera(video, signal) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  try {
    video.srcObject = stream;
    await video.play();
    const until = performance.now() + LOOK_MS;
    while (!signal.aborted && performance.now() < until) {
      if (video.videoWidth > 0) {
        const text = await read(video, video.videoWidth, video.videoHeight);
        if (text !== null) return text;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    return null;
  } finally {
    video.srcObject = null;
    for (const track of stream.getTracks()) track.stop();
  }
}

async function read(source, width, height) {
  if ('BarcodeDetector' in window) {
    try {
      const found = await new BarcodeDetector({ formats: ['qr_code'] }).detect(source);
      if (found.length > 0) return found[0].rawValue;
    } catch {
      // The interface without an implementation behind it: the decoder below does it.
    }
  }
  const { decodeQR } = await import('./vendor/qr/decode.js');
  const scale = Math.min(1, MAX_PICTURE / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  try {
    return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
  } catch {
    return null;
  }
}
