// The page itself: the two views, the notices, and what people press.

import { $, copy, h, keyed, text } from './dom.js';
import * as codes from './code.js';
import { carriesFiles, fromField, fromTransfer } from './drop.js';
import * as qr from './qr.js';
import { Scanner } from './scanner.js';
import { plural } from './text.js';
import { CallView } from './view-call.js';
import { peerCard, peerMark, peerName } from './view-peers.js';
import { OfferDialog, transferRow } from './view-files.js';
import { addMessage, pipeConsole } from './view-talk.js';
import { TextView } from './view-text.js';

/** Characters that a session text has at least. */
const TEXT_MIN = 50;
const STATUS = {
  idle: 'Ready',
  gathering: 'Making the text…',
  waiting: 'Waiting…',
  connecting: 'Reaching the server…',
  joined: 'In the room',
  reconnecting: 'Server lost, reconnecting…',
  unreachable: 'Server unreachable, trying again…',
};

/** `app` offers the actions `create`, `join(code)`, `leave`, `send(items, peerId)`, `say(text)` and its state. */
export class Ui {
  #app;
  #peerViews = new Map();
  #transferViews = new Map();
  #pipeViews = new Map();
  #offers;
  #shownCode = null;
  #unread = { people: 0, files: 0, chat: 0 };
  #notices = new Map();
  #scanner = new Scanner();
  #targets = '';

  constructor(app) {
    this.#app = app;
    this.call = new CallView(app);
    this.byText = new TextView({
      app,
      scanner: this.#scanner,
      copy: (button, value, said) => this.#copy(button, value, said),
    });
    this.#offers = new OfferDialog(app.files);
    this.#bindStart();
    this.#bindRoom();
    this.#bindFiles();
    this.#bindChat();
    this.#tab('people');
    this.#describePlace();
  }

  /** Brings everything on the page up to date. */
  render() {
    const { session } = this.#app;
    const inRoom = session !== null && !session.over;
    if ($('room').hidden === inRoom) this.#switchView(inRoom);
    const state = inRoom ? session.state : 'idle';
    $('status').dataset.state = state;
    text($('status-text'), inRoom && session.code === null && state === 'joined' ? 'Connected by text' : STATUS[state] ?? state);
    if (inRoom) this.#renderRoom(session);
    this.call.render();
    this.#renderFiles();
    this.#badges();
  }

  /** A message that stays until it is closed or its cause is gone. `actions`: `[label, action]` pairs. */
  notice(id, kind, title, detail, actions = []) {
    this.clearNotice(id);
    const close = h('button', { type: 'button', className: 'small', textContent: 'Close' });
    close.addEventListener('click', () => this.clearNotice(id));
    const buttons = actions.map(([label, action]) => {
      const button = h('button', { type: 'button', className: 'small', textContent: label });
      button.addEventListener('click', () => {
        this.clearNotice(id);
        action();
      });
      return button;
    });
    const element = h('div', { className: 'notice', data: { kind, testid: 'notice', notice: id } },
      h('div', {}, h('strong', { textContent: title }), detail), h('div', { className: 'row wrap' }, ...buttons, close));
    element.lastChild.style.flex = '0 0 auto';
    this.#notices.set(id, element);
    $('notices').append(element);
  }

  clearNotice(id) {
    this.#notices.get(id)?.remove();
    this.#notices.delete(id);
  }

  /** Says something to people who do not look at the screen. */
  announce(message) {
    text($('announce'), '');
    setTimeout(() => text($('announce'), message), 50);
  }

  message(message) {
    addMessage(message);
    if (!message.own && !message.event) this.#count('chat');
  }

  ask(incoming, facts) {
    this.#offers.ask(incoming, facts);
  }

  settled(incoming) {
    this.#offers.settled(incoming);
  }

  /** Something came that is not on the part of the room that is shown. */
  count(part) {
    this.#count(part);
  }

  /** Shows what was wrong with a code. */
  codeError(message) {
    text($('code-error'), message);
    $('code').setAttribute('aria-invalid', message === '' ? 'false' : 'true');
    if (message === '') return;
    $('code').focus();
    $('code-error').scrollIntoView({ block: 'nearest' });
  }

  /** Whether others must not learn the addresses of this device. */
  get relayOnly() {
    return $('relay-only').checked;
  }

  /** The server did not let a room be started. */
  askToken() {
    $('access').hidden = false;
    $('access-token').focus();
  }

  /** How much can be received, and what needs HTTPS. */
  async describeLimit() {
    text($('limit'), await this.#app.storage.describe());
  }

  #bindStart() {
    // Following it as a link would replace the code in the address.
    document.querySelector('.skip').addEventListener('click', (event) => {
      event.preventDefault();
      $('main').focus();
    });
    const { needsToken, relay } = this.#app.server;
    $('access').hidden = !needsToken;
    $('access-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#app.create($('access-token').value.trim());
      $('access-token').value = '';
    });
    const forced = new URLSearchParams(location.search).has('relay');
    $('relay-row').hidden = !relay && !forced;
    $('relay-only').checked = forced;
    $('join-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#join($('code').value);
    });
    $('code').addEventListener('input', () => this.codeError(''));
    $('code').addEventListener('paste', () => this.codeError(''));
    this.#scanner.bind({
      button: $('scan'),
      field: $('qr-picture'),
      found: (seen) => this.#took(seen),
      failed: (why) => this.codeError(why),
    });
  }

  #join(typed) {
    let code;
    try {
      code = codes.parse(typed);
    } catch (error) {
      this.#notACode(typed, error.message);
      return;
    }
    if (code.server !== null && ![location.origin, new URL(this.#app.base).origin].includes(code.server.origin)) {
      this.codeError(`This link belongs to another server (${code.server.host}). Open it in the address bar of the browser.`);
      return;
    }
    this.codeError('');
    this.#app.join(code);
  }

  /** It may be a session text that somebody took for a code. */
  async #notACode(typed, why) {
    this.codeError('');
    try {
      if (typed.length < TEXT_MIN) throw new Error(why);
      await this.#app.answerByText(typed);
    } catch (fault) {
      this.codeError(fault.kind === 'nothing' ? why : fault.message);
    }
  }

  /** What a QR code said: a code, a link, or a session text. */
  #took(seen) {
    $('code').value = seen.slice(0, 600);
    this.#join(seen);
  }

  #bindRoom() {
    $('leave').addEventListener('click', () => this.#app.leave());
    $('copy-code').addEventListener('click', () => this.#copy($('copy-code'), this.#app.session.code.text, 'Code copied'));
    $('copy-link').addEventListener('click', () => this.#copy($('copy-link'), this.#app.link, 'Link copied'));
    $('share-link').hidden = typeof navigator.share !== 'function';
    $('share-link').addEventListener('click', () => navigator.share({ title: 'Peerage', url: this.#app.link }).catch(() => {}));
    for (const tab of document.querySelectorAll('[data-tab][type="button"]')) {
      tab.addEventListener('click', () => {
        this.#tab(tab.dataset.tab);
        window.scrollTo(0, 0);
      });
    }
  }

  async #copy(button, value, said) {
    const label = button.textContent;
    const copied = await copy(value);
    this.announce(copied ? said : 'Copying failed; select the text instead');
    if (button.dataset.busy) return;
    button.dataset.busy = 'yes';
    text(button, copied ? 'Copied' : 'Select it instead');
    setTimeout(() => {
      delete button.dataset.busy;
      text(button, label);
    }, 1600);
  }

  #bindFiles() {
    for (const id of ['file-input', 'folder-input']) {
      $(id).addEventListener('change', () => {
        const items = fromField($(id).files);
        $(id).value = '';
        this.#send(items);
      });
    }
    // Phones have no folders to choose.
    $('folder-label').hidden = !('webkitdirectory' in HTMLInputElement.prototype) || /Android|iPhone|iPad/.test(navigator.userAgent);
    $('auto-accept').addEventListener('change', () => {
      this.#app.files.autoAccept = $('auto-accept').checked;
    });
    const inRoom = () => this.#app.session !== null && !$('room').hidden;
    let depth = 0;
    const shade = () => {
      $('dropping').hidden = depth <= 0 || !inRoom();
    };
    document.addEventListener('dragenter', (event) => {
      if (carriesFiles(event.dataTransfer)) depth += 1;
      shade();
    });
    document.addEventListener('dragleave', (event) => {
      if (carriesFiles(event.dataTransfer)) depth -= 1;
      shade();
    });
    document.addEventListener('dragover', (event) => {
      if (carriesFiles(event.dataTransfer)) event.preventDefault();
    });
    document.addEventListener('drop', (event) => {
      depth = 0;
      shade();
      if (!carriesFiles(event.dataTransfer)) return;
      event.preventDefault();
      if (inRoom()) this.#sendFrom(event.dataTransfer);
    });
    document.addEventListener('paste', (event) => {
      if (!carriesFiles(event.clipboardData) || !inRoom()) return;
      event.preventDefault();
      this.#sendFrom(event.clipboardData);
    });
  }

  async #sendFrom(data) {
    try {
      this.#send(await fromTransfer(data));
    } catch {
      this.notice('drop', 'error', 'This could not be read', 'The browser did not let the page read what was dropped. Choose the files with the button instead.');
    }
  }

  #send(items) {
    if (items.length === 0) return;
    this.#app.send(items, $('to').hidden ? '' : $('target').value);
    this.#tab('files');
    this.announce(`${plural(items.length, 'entry').replace('entrys', 'entries')} to send`);
  }

  #bindChat() {
    const say = () => {
      if (!$('chat-input').value.trim()) return;
      if (this.#app.say($('chat-input').value)) $('chat-input').value = '';
      else this.notice('unheard', 'warn', 'Nobody can read this yet', 'The message stays in the field. Send it again when somebody with a chat is connected.');
    };
    $('chat-form').addEventListener('submit', (event) => {
      event.preventDefault();
      say();
    });
    $('chat-input').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      say();
    });
  }

  #switchView(inRoom) {
    $('room').hidden = !inRoom;
    $('start').hidden = inRoom;
    document.title = inRoom ? 'Room · Peerage' : 'Peerage';
    if (!inRoom) {
      $('chat-log').replaceChildren();
      this.#unread = { people: 0, files: 0, chat: 0 };
    }
    $(inRoom ? 'room-title' : 'start-title').focus({ preventScroll: true });
    window.scrollTo(0, 0);
    this.#tab('people');
  }

  #renderRoom(session) {
    this.byText.render(session);
    // Who met by text has no room to invite others to, and a call needs more than one exchange of descriptions.
    const byText = session.code === null;
    for (const id of ['share', 'call']) $(id).hidden = byText;
    if (!byText && this.#shownCode !== session.code.text) {
      this.#shownCode = session.code.text;
      text($('room-code'), session.code.text);
      text($('room-link'), this.#app.link);
      $('qr').replaceChildren(qr.draw(this.#app.link));
    }
    const peers = [...session.peers.values()];
    $('nobody').hidden = byText || peers.length > 0;
    keyed($('peers'), peers, this.#peerViews, peerCard);
    keyed($('pipes'), this.#app.pipes, this.#pipeViews, pipeConsole);
    const takers = peers.filter((peer) => peer.takesFiles);
    $('to').hidden = takers.length < 2;
    const key = takers.map((peer) => peer.id).join();
    if (key === this.#targets) return;
    this.#targets = key;
    const chosen = $('target').value;
    $('target').replaceChildren(
      h('option', { value: '', textContent: 'everybody' }),
      ...takers.map((peer) => h('option', { value: peer.id, textContent: `${peerName(peer)} ${peerMark(peer)}` })),
    );
    $('target').value = takers.some((peer) => peer.id === chosen) ? chosen : '';
  }

  #renderFiles() {
    keyed($('transfers'), this.#app.files.transfers.filter((transfer) => transfer.state !== 'moved'), this.#transferViews, (transfer) => transferRow(transfer, this.#app.files));
  }

  #describePlace() {
    const loopback = /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(this.#app.base).hostname);
    if (loopback) {
      $('link-note').hidden = false;
      text($('link-note'), 'This page was opened by an address that only this computer knows, so the link and the QR code work only here. To invite other devices, open it by the network address of this computer.');
    }
    if (window.isSecureContext) return;
    $('insecure').hidden = false;
    text(
      $('insecure'),
      'This page came over plain HTTP. Connecting, chat and files work and are encrypted between the two devices, but somebody in the network could have changed the page itself. HTTPS is needed to scan with the camera, to receive large files straight to disk, and for the safety of the page.',
    );
  }

  #tab(name) {
    $('room').dataset.tab = name;
    for (const tab of document.querySelectorAll('[data-tab][type="button"]')) {
      if (tab.dataset.tab === name) tab.setAttribute('aria-current', 'true');
      else tab.removeAttribute('aria-current');
    }
    this.#unread[name] = 0;
    this.#badges();
  }

  #count(part) {
    if ($('room').dataset.tab !== part) this.#unread[part] += 1;
    this.#badges();
  }

  #badges() {
    for (const [part, count] of Object.entries(this.#unread)) {
      const badge = $(`badge-${part}`);
      badge.hidden = count === 0;
      text(badge, String(count));
    }
  }
}
