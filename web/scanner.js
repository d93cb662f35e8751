// Reading QR codes: the dialog with the camera, and picture files.

import { $, text } from './dom.js';
import * as qr from './qr.js';

const PICTURE_BYTES_MAX = 32 * 1024 * 1024;
const NOTHING_SEEN = 'No QR code was seen. Hold the whole code in front of the camera, in good light, and begin again.';

/** Why a camera gives no picture, by the name of the browser's error. */
const CAMERA = {
  NotAllowedError: 'The browser was not allowed to use the camera. Allow it for this page (the symbol beside the address).',
  SecurityError: 'The browser was not allowed to use the camera. Allow it for this page (the symbol beside the address).',
  NotFoundError: 'No camera was found.',
  NotReadableError: 'The camera is in use by another program, or does not answer. Close that program.',
  AbortError: 'The camera is in use by another program, or does not answer. Close that program.',
};

export class Scanner {
  #abort = null;

  constructor() {
    $('scanner-close').addEventListener('click', () => $('scanner').close());
    $('scanner').addEventListener('close', () => this.#abort?.abort());
  }

  /** Makes `button` open the camera and `field` take a picture; `found(text)` and `failed(message)` tell what came of it. */
  bind({ button, field, found, failed }) {
    button.hidden = !qr.cameraPossible();
    button.addEventListener('click', () => this.#look(found));
    field.addEventListener('change', async () => {
      const [file] = field.files;
      field.value = '';
      if (!file) return;
      const { text, why } = await readFile(file);
      if (text === null) failed(why);
      else found(text);
    });
  }

  async #look(found) {
    this.#abort?.abort();
    const { signal } = this.#abort = new AbortController();
    text($('scanner-text'), 'Hold the code in front of the camera.');
    $('scanner').showModal();
    try {
      const seen = await qr.readCamera($('scanner-video'), signal);
      if (signal.aborted) return;
      if (seen === null) {
        text($('scanner-text'), NOTHING_SEEN);
        return;
      }
      $('scanner').close();
      found(seen);
    } catch (error) {
      const why = CAMERA[error.name] ?? `The camera could not be started (${error.name}).`;
      if (!signal.aborted) text($('scanner-text'), `${why} Or take a picture of the code and read that, or type or paste what it says.`);
    }
  }
}

/** `{ text, why }`: what the code in a picture says, or why nothing was read. */
async function readFile(file) {
  if (file.size > PICTURE_BYTES_MAX) return { text: null, why: 'This file is too large for a picture of a QR code (more than 32 MiB).' };
  try {
    const seen = await qr.readPicture(file);
    return { text: seen, why: 'No QR code was found in this picture. Take one that shows the whole code, sharp and straight.' };
  } catch {
    return { text: null, why: 'This file is not a picture that the browser can show. Take one as PNG or JPEG.' };
  }
}
