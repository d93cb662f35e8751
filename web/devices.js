// Cameras, microphones, screens and speakers: getting them, and saying what to do where that fails.

const CHOSEN = 'peerage-devices';
const NOUNS = { mic: 'microphone', camera: 'camera', screen: 'screen' };

/** What went wrong with a device, for people: `[title, what to do]`. `what` is `mic`, `camera` or `screen`. */
export function explainDevice(what, name, { secure = true } = {}) {
  const noun = NOUNS[what];
  const title = `The ${noun} cannot be used`;
  if (!secure) {
    return [title, 'Browsers give camera, microphone and screen only to pages that came over HTTPS. Open this page by its https:// address, or on this computer by http://localhost.'];
  }
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return what === 'screen'
        ? ['The screen is not shared', 'The browser was not allowed to. Press “Share screen” again and choose what to show; on a Mac the system settings must let the browser record the screen.']
        : [`The ${noun} is not permitted`, `Allow the ${noun} for this page (the symbol beside the address), and in the settings of the system for this browser. Then press the button again.`];
    case 'NotFoundError':
    case 'DevicesNotFoundError':
      return [`No ${noun} was found`, `Plug one in or switch it on, then press the button again. The call goes on without it.`];
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return [`The ${noun} is in use`, `Another program has it, or it does not answer. Close that program or take out the plug and put it in again, then press the button again.`];
    case 'OverconstrainedError':
      return [`The chosen ${noun} is gone`, 'Choose another one under “Devices”.'];
    case 'InvalidStateError':
      return [`The ${noun} was not asked for in time`, `The browser gives it only right after a press. Stay on this page and press the button again.`];
    case 'Unsupported':
      return [title, what === 'screen' ? 'This browser cannot share a screen; browsers on phones cannot. Use one on a computer.' : 'This browser has no such function. Use a newer one.'];
    default:
      return [title, `The browser says ${name || 'nothing about why'}. Try again, or choose another one under “Devices”.`];
  }
}

export class Devices {
  /** The ids of what was chosen: `mic`, `camera`, `speaker`; empty for what the browser takes by itself. */
  chosen = { mic: '', camera: '', speaker: '' };

  constructor() {
    try {
      const kept = JSON.parse(localStorage.getItem(CHOSEN) ?? '{}');
      for (const what of Object.keys(this.chosen)) if (typeof kept[what] === 'string') this.chosen[what] = kept[what];
    } catch {
      // Storage is switched off or holds something else; then nothing is chosen.
    }
  }

  /** Keeps a choice for the next visit. */
  choose(what, id) {
    this.chosen[what] = id;
    try {
      localStorage.setItem(CHOSEN, JSON.stringify(this.chosen));
    } catch {
      // The choice holds until the page is closed.
    }
  }

  /** A track of `mic`, `camera` or `screen`. Throws with the `name` that `explainDevice` takes. */
  async open(what) {
    const media = navigator.mediaDevices;
    if (what === 'screen') {
      if (!media?.getDisplayMedia) throw named('Unsupported');
      const stream = await media.getDisplayMedia({ video: { frameRate: { ideal: 15, max: 30 } }, audio: false });
      return hinted(stream.getVideoTracks()[0], 'detail');
    }
    if (!media?.getUserMedia) throw named('Unsupported');
    try {
      return await this.#user(what, this.chosen[what]);
    } catch (error) {
      // What was chosen on an earlier visit need not be there any more.
      if (error.name !== 'OverconstrainedError' || this.chosen[what] === '') throw error;
      this.choose(what, '');
      return this.#user(what, '');
    }
  }

  /** What there is: `{ mic, camera, speaker }`, each a list of `{ id, label }`. Labels are empty before permission. */
  async list() {
    const found = { mic: [], camera: [], speaker: [] };
    const kinds = { audioinput: 'mic', videoinput: 'camera', audiooutput: 'speaker' };
    for (const device of (await navigator.mediaDevices?.enumerateDevices?.()) ?? []) {
      const list = found[kinds[device.kind]];
      if (list && device.deviceId !== '') list.push({ id: device.deviceId, label: device.label });
    }
    return found;
  }

  async #user(what, id) {
    const device = id === '' ? {} : { deviceId: { exact: id } };
    const stream = await navigator.mediaDevices.getUserMedia(
      what === 'mic'
        ? { audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...device } }
        : { video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, ...device } },
    );
    return hinted(stream.getTracks()[0], what === 'mic' ? 'speech' : 'motion');
  }
}

/** The highest amplitude of a microphone in the last fifth of a second, from 0 to 1. */
export class Meter {
  #context;
  #analyser;
  #samples;

  constructor(track) {
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 8192;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    // It may begin at rest where opening the microphone took longer than the press counts.
    this.#context.resume().catch(() => {});
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
  }

  get level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return this.#samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  }

  close() {
    this.#context.close().catch(() => {});
  }
}

function hinted(track, hint) {
  if ('contentHint' in track) track.contentHint = hint;
  return track;
}

function named(name) {
  return Object.assign(new Error(name), { name });
}
