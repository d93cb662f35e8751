// Puts the parts together, and lets programs look on (`window.peeragePage`).

import { Call, CALL_PROTOCOL } from './call.js';
import * as codes from './code.js';
import { Devices } from './devices.js';
import { soon } from './dom.js';
import { Files } from './files.js';
import { Nameplate } from './nameplate.js';
import { Session } from './session.js';
import { Storage } from './storage.js';
import { Chat, Pipe } from './talk.js';
import { agentName, bytes } from './text.js';
import { peerName } from './view-peers.js';
import { Ui } from './ui.js';

const OPENED = 'peerage-opened';
const ACCESS = 'peerage-access';
/** How long the room that two agreed on may take to be opened. */
const ROOM_PATIENCE_MS = 20000;
const MAX_PIPES = 8;

const FAILURES = {
  unavailable: ['No such room', 'The code may be mistyped, or the room is full or has expired. Check the code with the other side, and that their page is still open.'],
  wrong_code: ['Wrong code', 'The room exists, but the part of the code after the hyphen differs from the one the others have. Ask for the code again and copy all of it.'],
  forbidden: ['An access token is needed', 'This server starts rooms only for those who have its access token. Enter it under “Start a room”; ask whoever runs the server for one. Joining a room needs none.'],
  spent: ['This code was used already', 'A code of words is good for one try. Ask the other side for a new one.'],
  expired: ['This code has expired', 'Whoever made it has left, or nobody came in time. Ask the other side for a new one.'],
  taken: ['Somebody else is using this number', 'Check the number at the beginning of the code with the other side, or ask for a new code.'],
  wrong_words: ['Wrong code', 'The words are not those of the other side. Nobody got in, and the code is spent now: ask for a new one.'],
  vanished: ['The other side did not prove the code', 'Somebody was there and left. Nobody got in, and the code is spent now: ask for a new one.'],
  unknown_words: ['This server does not know codes of words', 'It is older than they are. Ask the other side for a code with letters and digits.'],
  unloaded: ['The page is not complete', 'A part of it could not be loaded. Check the network, and try again.'],
  rate_limited: ['Too many tries', 'The server has had too many tries from your address. Wait a minute, then try again.'],
  bad_request: ['The server refused this page', 'It may have been updated: load the page again.'],
  too_large: ['The server refused a message', 'A message was too long for it. Load the page again.'],
  no_address: ['No text could be made'],
  no_text: ['No text could be made'],
  refused: ['The text cannot be used'],
  late: ['The text has expired'],
};

class App {
  session = null;
  /** A nameplate at which the other one is waited for. */
  nameplate = null;
  pipes = [];
  error = null;
  #accessToken = kept(ACCESS) ?? '';

  /** `server`: `{ base, needsToken, relay }` as `serverFacts` gives it. */
  constructor(storage, server) {
    this.storage = storage;
    this.server = server;
    this.base = server.base;
    this.render = soon(() => this.ui.render());
    this.chat = this.#newChat();
    this.files = new Files({
      storage,
      on: {
        changed: () => this.#filesChanged(),
        ask: (incoming, facts) => {
          this.ui.ask(incoming, facts);
          this.ui.announce(`${peerName(incoming.peer)} wants to send you files`);
        },
        settled: (incoming) => this.ui.settled(incoming),
        received: (file) => {
          this.ui.count('files');
          this.ui.announce(`Received ${file.name}, ${bytes(file.size)}`);
        },
        refused: (incoming) => {
          this.ui.notice('space', 'warn', 'Too large for this browser', `${peerName(incoming.peer)} offered ${bytes(incoming.total)}; ${incoming.error?.message ?? ''}.`);
        },
        peers: () => this.takers(),
      },
    });
    this.devices = new Devices();
    this.call = new Call({
      devices: this.devices,
      on: {
        changed: this.render,
        levels: () => this.ui.call.levels(),
        measured: () => this.ui.call.measured(),
        problem: (what, title, detail) => this.ui.notice(`device-${what}`, 'warn', title, detail),
        solved: (what) => this.ui.clearNotice(`device-${what}`),
      },
    });
    this.ui = new Ui(this);
  }

  get link() {
    return codes.link(this.base, this.session.code);
  }

  takers() {
    return this.session ? [...this.session.peers.values()].filter((peer) => peer.takesFiles) : [];
  }

  /** `token`: what this server asks for before it lets a room be started; kept for this tab. */
  create(token = '') {
    if (token !== '') {
      this.#accessToken = token;
      keep(ACCESS, token);
    }
    this.#enter(codes.generate(), 'open');
  }

  join(code) {
    if (code.nameplate !== undefined) {
      this.#meet(code);
      return;
    }
    this.#enter(code, kept(OPENED) === code.room ? 'open' : 'join');
  }

  /** Makes a text to be given away. */
  async offerByText() {
    let module;
    try {
      module = await import('./by-text.js');
    } catch {
      this.#tell({ code: 'unloaded' }, [['Try again', () => this.offerByText()]]);
      return;
    }
    this.#enterByText(module, null);
  }

  /** Answers the offer in a message. Throws what is wrong with it. */
  async answerByText(message) {
    const module = await import('./by-text.js').catch(() => {
      throw new Error(FAILURES.unloaded.join('. '));
    });
    this.#enterByText(module, module.readOffer(message));
  }

  /** Takes the answer in a message. Throws what is wrong with it. */
  async takeText(message) {
    await this.session.take(message);
  }

  /** The link that has this side's text. */
  get textLink() {
    return codes.link(this.base, { text: `t=${this.session?.own?.text ?? ''}` });
  }

  leave() {
    this.nameplate?.leave();
    this.nameplate = null;
    this.session?.leave();
    this.#left();
  }

  send(items, target) {
    const peers = this.takers().filter((peer) => target === '' || peer.id === target);
    this.files.send(items, peers);
  }

  say(text) {
    return this.chat.say(text);
  }

  /** Waits at the nameplate of a code of words for whoever made it. */
  #meet(code) {
    this.#clear();
    // Spent or not, loading the page again must not try it again by itself.
    history.replaceState(null, '', location.pathname + location.search);
    const nameplate = new Nameplate({
      url: webSocketUrl(),
      code,
      on: {
        waiting: () => {
          if (this.nameplate !== nameplate) return;
          const cancel = () => this.leave();
          this.ui.notice('meeting', 'info', 'Waiting for the other side', `Nobody else is at number ${code.nameplate} yet. It goes on as soon as whoever made the code is there.`, [['Cancel', cancel]]);
        },
        agreed: (long) => {
          if (this.nameplate !== nameplate) return;
          this.#enter(long, 'join', ROOM_PATIENCE_MS);
        },
        failed: (reason) => {
          if (this.nameplate !== nameplate) return;
          this.nameplate = null;
          this.ui.clearNotice('meeting');
          this.#tell(reason, reason.code === 'unloaded' ? [['Try again', () => this.#meet(code)]] : []);
          document.getElementById('code').value = '';
          this.render();
        },
      },
    });
    this.nameplate = nameplate;
    nameplate.start();
    this.render();
  }

  #tell({ code, message }, actions) {
    const [title, detail = message] = FAILURES[code] ?? ['The server ended this', message || 'Try again.'];
    this.error = { code, message: `${title}. ${detail}` };
    this.ui.notice('failed', 'error', title, detail, actions);
  }

  #clear() {
    // Whoever goes to another room does not take camera and microphone along unasked.
    this.call.leave();
    this.session?.leave();
    this.nameplate?.leave();
    this.nameplate = null;
    this.session = null;
    this.error = null;
    for (const id of ['failed', 'server', 'unheard', 'space', 'wrong-code', 'meeting', 'text-link']) this.ui.clearNotice(id);
  }

  /** `offer` is what was read of the other side's text, null to make the first one. */
  #enterByText({ TextSession }, offer) {
    this.#begin();
    history.replaceState(null, '', location.pathname + location.search);
    const session = new TextSession({
      offer,
      ice: { servers: this.server.iceServers, relayOnly: this.ui.relayOnly },
      on: {
        changed: () => this.#sessionChanged(session),
        connected: (peer) => this.#connected(peer),
        gone: (peer) => this.#gone(peer),
        channel: (peer, channel) => this.#channel(peer, channel),
        connection: (peer, pc) => this.call.attach(peer, pc),
        failed: (reason) => {
          if (this.session !== session) return;
          const again = offer === null ? [['Make a new text', () => this.offerByText()]] : [];
          this.#tell(reason, again);
          this.#left();
        },
      },
    });
    this.session = session;
    session.start();
    this.ui.describeLimit();
    this.render();
  }

  #begin() {
    this.#clear();
    this.chat = this.#newChat();
    this.pipes = [];
  }

  #enter(code, mode, patience = 0) {
    this.#begin();
    // A page that is loaded again finds its room by the address.
    history.replaceState(null, '', `#${code.text}`);
    if (mode === 'open') keep(OPENED, code.room);
    const session = new Session({
      code,
      mode,
      url: webSocketUrl(),
      agent: agentName(navigator.userAgent),
      accessToken: this.#accessToken,
      relayOnly: this.ui.relayOnly,
      patience,
      on: {
        changed: () => this.#sessionChanged(session),
        connected: (peer) => this.#connected(peer),
        gone: (peer) => this.#gone(peer),
        channel: (peer, channel) => this.#channel(peer, channel),
        connection: (peer, pc) => this.call.attach(peer, pc),
        notice: (code) => this.#notice(code),
        failed: (reason) => this.#failed(session, reason),
        busy: () => this.files.moving,
      },
    });
    this.session = session;
    session.start();
    this.ui.describeLimit();
    this.render();
  }

  #notice(code) {
    if (code === 'wrong_code') {
      this.ui.notice('wrong-code', 'warn', 'Somebody came with a wrong code', 'They were not let in. If you expect them, give them the whole code again; this page goes on waiting.');
    } else {
      this.ui.announce('The server lost this page; connecting anew');
    }
  }

  #newChat() {
    return new Chat({ on: { changed: (message) => this.ui.message(message) } });
  }

  #sessionChanged(session) {
    if (this.session !== session) return;
    if (session.state === 'unreachable') {
      this.ui.notice('server', 'warn', 'The server cannot be reached', `Nothing answers at ${location.host}. This page tries again by itself; check the network, and that the server runs.`);
    } else if (session.state === 'joined') {
      this.ui.clearNotice('server');
    }
    this.render();
  }

  #filesChanged() {
    if (!this.files.moving) {
      this.session?.idle();
      this.ui.describeLimit();
    }
    this.render();
  }

  #connected(peer) {
    if (!peer.greetedPerson) {
      peer.greetedPerson = true;
      this.chat.event(`${peerName(peer)} is connected`);
      this.ui.announce(`${peerName(peer)} is connected`);
      this.ui.count('people');
    }
    this.files.connected(peer);
  }

  #gone(peer) {
    this.files.gone(peer);
    this.call.gone(peer);
    if (!peer.greetedPerson) return;
    this.chat.event(`${peerName(peer)} is gone: ${peer.reason}`);
    this.ui.announce(`${peerName(peer)} is gone`);
  }

  #channel(peer, channel) {
    switch (channel.protocol) {
      case 'peerage.chat.1':
        this.chat.attach(peer, channel);
        channel.addEventListener('close', () => this.#chatClosed(peer));
        return;
      case CALL_PROTOCOL:
        peer.media.attach(channel);
        return;
      case 'peerage.transfer.1':
        this.files.incoming(peer, channel);
        return;
      case 'peerage.pipe.1':
        // Offered by a page that did not know yet what would answer.
        if (peer.role === 'page') return;
        this.#pipe(new Pipe({ peer, channel, on: { changed: this.render } }), channel);
        this.ui.count('chat');
        this.render();
        return;
      default:
        // A channel for something that this page does not do.
        channel.close();
    }
  }

  #pipe(pipe, channel) {
    this.pipes.push(pipe);
    this.pipes.splice(0, Math.max(0, this.pipes.length - MAX_PIPES));
    channel.addEventListener('close', () => {
      // What answered is no pipe after all.
      if (pipe.received + pipe.sent === 0 && !pipe.theirEnd) this.pipes = this.pipes.filter((one) => one !== pipe);
      this.render();
    });
  }

  /** The other page closed; browsers tell the channel long before the connection times out. */
  #chatClosed(peer) {
    if (peer.role === 'page' && !peer.present) peer.close('left the room');
  }

  #failed(session, { code, message }) {
    if (this.session !== session) return;
    if (code === 'forbidden') {
      this.#accessToken = '';
      forget(ACCESS);
    }
    const again = code === 'wrong_code' || code === 'forbidden' ? [] : [['Try again', () => this.#enter(session.code, session.mode)]];
    this.#tell({ code, message }, again);
    // A code that nobody else has leads nowhere.
    if (code === 'forbidden') this.ui.askToken();
    else document.getElementById('code').value = session.code.text;
    this.#left();
  }

  #left() {
    this.call.leave();
    this.session = null;
    forget(OPENED);
    history.replaceState(null, '', location.pathname + location.search);
    this.render();
  }
}

/** Read-only: what a program that drives this page may know. */
function status(app) {
  const peer = (one) => ({
    id: one.id,
    agent: one.agent,
    role: one.role,
    state: one.state,
    reason: one.reason,
    selected: one.steps.selected,
    security: one.steps.security,
    rttMs: one.steps.rtt,
    stages: Object.fromEntries(Object.entries(one.steps.stages).map(([name, stage]) => [name, stage.state])),
    local: one.steps.local,
    remote: one.steps.remote,
    pairs: one.steps.pairs,
    steps: one.steps.events,
    failures: one.steps.failures,
    why: one.why,
    words: one.words,
  });
  return Object.freeze({
    get state() { return app.session?.state ?? (app.nameplate === null ? 'idle' : 'meeting'); },
    get error() { return app.error; },
    get code() { return app.session?.code?.text ?? null; },
    get link() { return app.session?.code ? app.link : null; },
    get text() { return app.session?.own?.text ?? null; },
    get textLink() { return app.session?.own?.text ? app.textLink : null; },
    get self() { return app.session?.self ?? null; },
    get secure() { return window.isSecureContext; },
    get storage() { return app.storage.kind; },
    get peers() { return copyOf([...(app.session?.peers.values() ?? [])].map(peer)); },
    get transfers() {
      return copyOf(app.files.transfers.map((one) => ({
        id: one.id, sending: Boolean(one.files && one.resume), state: one.state, bytes: one.bytes, total: one.total,
        entries: one.entries.length, sha256: one.sha256, restarted: one.restarted, error: one.error,
      })));
    },
    get call() { return copyOf(callStatus(app.call)); },
    get received() { return copyOf(app.files.received.map(({ path, name, size, sha256 }) => ({ path, name, size, sha256 }))); },
    get messages() { return copyOf(app.chat.messages.map(({ own, event, text }) => ({ own, event, text }))); },
    get pipes() { return copyOf(app.pipes.map((pipe) => ({ received: pipe.received, sent: pipe.sent, theirEnd: pipe.theirEnd, ourEnd: pipe.ourEnd, text: pipe.text(false) }))); },
  });
}

/** What is sent, and for each member the last reading of its statistics. */
function callStatus(call) {
  return {
    state: call.state,
    muted: call.muted,
    camera: call.camera !== null,
    screen: call.screen !== null,
    speaking: call.speaking,
    members: call.members.map(([peer, media]) => ({
      id: peer.id,
      role: peer.role,
      says: media.state,
      muted: media.muted,
      speaking: media.speaking,
      tracks: Object.fromEntries(Object.entries(media.tracks).map(([name, track]) => [name, track !== null])),
      stats: media.history.latest,
      rates: media.history.last,
    })),
  };
}

function copyOf(value) {
  return structuredClone(value);
}

/**
 * What the server says of itself. `base`: the address that it wants in links, its own where it names none; `needsToken`:
 * it asks for an access token before it lets a room be started; `relay`: it relays; `iceServers`: those that need no
 * credentials.
 */
async function serverFacts() {
  const facts = { base: location.href, needsToken: false, relay: false, iceServers: [] };
  try {
    const config = await (await fetch('config', { signal: AbortSignal.timeout(3000) })).json();
    facts.needsToken = config.open_needs_token === true;
    facts.relay = config.relay === true;
    if (Array.isArray(config.ice_servers)) facts.iceServers = config.ice_servers;
    const url = config.public_url;
    if (typeof url === 'string' && /^https?:$/.test(new URL(url).protocol)) facts.base = new URL(url).href;
  } catch {
    // Without an answer the address of this page is as good as any.
  }
  return facts;
}

function webSocketUrl() {
  const url = new URL('ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  url.search = '';
  return url.href;
}

// For as long as this tab lives: which room it made, as loading the page again may make it again, and the access token.
function kept(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // Storage is switched off; then a page that is loaded again has to find the room still there.
  }
}

function forget(name) {
  try {
    sessionStorage.removeItem(name);
  } catch {
    // As above.
  }
}

function fromAddress(app) {
  const hash = location.hash.slice(1);
  if (hash === '' || hash === app.session?.code?.text) return;
  if (/^t=/i.test(hash)) {
    if (app.session === null) app.ui.byText.fill(hash.slice(2));
    else app.ui.notice('text-link', 'warn', 'Leave first', 'The address has a session text, and this page is connected already. Leave, then open the link again.');
    return;
  }
  try {
    app.join(codes.parse(hash));
  } catch (error) {
    app.ui.codeError(`The link is not complete. ${error.message}`);
  }
}

const [storage, server] = await Promise.all([Storage.create(), serverFacts()]);
const app = new App(storage, server);
Object.defineProperty(window, 'peeragePage', { value: status(app) });
app.render();
fromAddress(app);
window.addEventListener('hashchange', () => fromAddress(app));
window.addEventListener('online', () => (app.nameplate ?? app.session)?.networkChanged());
window.addEventListener('pagehide', () => (app.nameplate ?? app.session)?.leave('closed the page'));
window.addEventListener('beforeunload', (event) => {
  if (app.files.moving) event.preventDefault();
});
