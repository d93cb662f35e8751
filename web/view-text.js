// Connecting by texts that people carry: what the start page and the room show of it.

import { $, text } from './dom.js';
import * as qr from './qr.js';

const TITLES = { gathering: 'Making your text…', waiting: 'Connect by text', joined: 'Connected by text' };
const WHAT = {
  offer: 'Give this text to the other side, in a chat, a mail or as a QR code. It answers with a text of its own; that one belongs below. Keep this page open.',
  answer: 'Give this text back to where the other one came from. The connection comes about once it is taken there. Keep this page open.',
  taken: 'Both texts are there. Looking for a way between the two devices.',
  joined: 'The texts have done their work, and are good for nothing more. If the connection is lost, make new ones.',
};

/** `app` offers `offerByText()`, `answerByText(message)` and `takeText(message)`; the last two throw what is wrong. */
export class TextView {
  #app;
  #shown = null;

  constructor({ app, scanner, copy }) {
    this.#app = app;
    $('text-offer').addEventListener('click', () => app.offerByText());
    this.#bind($('text-form'), $('text-given'), (message) => app.answerByText(message));
    this.#bind($('text-back-form'), $('text-back'), (message) => app.takeText(message));
    this.#scan(scanner, $('text-scan'), $('text-picture'), $('text-given'));
    this.#scan(scanner, $('text-back-scan'), $('text-back-picture'), $('text-back'));
    const own = () => app.session?.own?.text ?? '';
    $('copy-text').addEventListener('click', () => copy($('copy-text'), own(), 'Text copied'));
    $('copy-text-link').addEventListener('click', () => copy($('copy-text-link'), app.textLink, 'Link copied'));
    $('share-text').hidden = typeof navigator.share !== 'function';
    $('share-text').addEventListener('click', () => navigator.share({ text: own() }).catch(() => {}));
    $('by-text-leave').addEventListener('click', () => app.leave());
  }

  /** Puts an offer into the field, to be answered by a press: the answer tells the addresses of this device. */
  fill(given) {
    $('text-given').value = given;
    error($('text-given'), '');
    $('text-answer').focus();
    $('text-form').scrollIntoView({ block: 'nearest' });
  }

  /** Brings the part of the room up to date. */
  render(session) {
    $('by-text').hidden = session.code !== null;
    if (session.code !== null) return;
    const { state, own, offers, answered } = session;
    text($('by-text-title'), TITLES[state] ?? '');
    const open = state === 'waiting' && !answered;
    text($('by-text-what'), state === 'joined' ? WHAT.joined : answered ? WHAT.taken : own === null ? '' : WHAT[offers ? 'offer' : 'answer']);
    $('by-text-own').hidden = !open;
    $('text-back-form').hidden = !(open && offers);
    $('copy-text-link').hidden = !offers;
    if (own === null || own.text === this.#shown) return;
    this.#shown = own.text;
    for (const field of [$('text-given'), $('text-back')]) {
      field.value = '';
      error(field, '');
    }
    text($('text-own'), own.text);
    $('text-qr').replaceChildren(qr.draw(own.qr));
    const until = new Date(own.until).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    text($('text-until'), `It is good until ${until}, for one connection. It tells the addresses of this device to whoever sees it.`);
  }

  #bind(form, field, action) {
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      error(field, '');
      try {
        if (field.value.trim() === '') throw new Error('Paste the text first.');
        await action(field.value);
      } catch (fault) {
        error(field, fault.message);
      }
    });
    field.addEventListener('input', () => error(field, ''));
  }

  #scan(scanner, button, picture, field) {
    scanner.bind({
      button,
      field: picture,
      found: (seen) => {
        field.value = seen;
        field.form.requestSubmit();
      },
      failed: (why) => error(field, why),
    });
  }
}

function error(field, message) {
  text($(`${field.id}-error`), message);
  field.setAttribute('aria-invalid', message === '' ? 'false' : 'true');
  if (message !== '') field.focus();
}
