// The chat log and the consoles of pipes.

import { $, h, save, text } from './dom.js';
import { bytes } from './text.js';
import { peerMark, peerName } from './view-peers.js';

/** Adds one message to the log. */
export function addMessage(message) {
  const log = $('chat-log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const time = message.at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (message.event) {
    log.append(h('li', { className: 'message event', textContent: message.text }));
  } else {
    const who = message.own ? 'You' : `${peerName(message.from)} ${peerMark(message.from)}`;
    log.append(
      h('li', { className: message.own ? 'message own' : 'message', data: { testid: 'message', own: String(message.own) } },
        h('small', { textContent: `${who}, ${time}` }), h('span', { textContent: message.text })),
    );
  }
  while (log.childElementCount > 500) log.firstElementChild.remove();
  if (atEnd || message.own) log.scrollTop = log.scrollHeight;
}

/** `{ element, update }` for one pipe. */
export function pipeConsole(pipe) {
  const output = h('pre', { tabIndex: 0, role: 'log', aria: { label: 'What came through the pipe' }, data: { testid: 'pipe-output' } });
  const state = h('p', { className: 'help', data: { testid: 'pipe-state' } });
  const hexBox = h('input', { type: 'checkbox' });
  const input = h('input', { type: 'text', autocomplete: 'off', aria: { label: 'Line to send through the pipe' }, data: { testid: 'pipe-input' } });
  const send = h('button', { type: 'submit', className: 'primary', textContent: 'Send line' });
  const end = h('button', { type: 'button', className: 'small', textContent: 'End input', data: { testid: 'pipe-end' } });
  const keep = h('button', { type: 'button', className: 'small', textContent: 'Save what came', data: { testid: 'pipe-save' } });
  const form = h('form', { className: 'say' }, input, send);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    pipe.say(`${input.value}\n`);
    input.value = '';
  });
  end.addEventListener('click', () => pipe.end());
  keep.addEventListener('click', () => save(pipe.content(), 'pipe.bin'));
  hexBox.addEventListener('change', () => update());
  const element = h(
    'section',
    { className: 'card pipe', aria: { label: 'Pipe' }, data: { testid: 'pipe' } },
    h('h2', { textContent: `Pipe with ${peerName(pipe.peer)}` }),
    output,
    form,
    h('div', { className: 'row wrap' }, end, keep, h('label', {}, hexBox, ' Hexadecimal')),
    state,
  );

  function update() {
    text(output, pipe.text(hexBox.checked));
    output.scrollTop = output.scrollHeight;
    input.disabled = send.disabled = end.disabled = !pipe.open;
    keep.disabled = pipe.received === 0 || !pipe.complete;
    const parts = [`${bytes(pipe.received)} came, ${bytes(pipe.sent)} went`];
    if (pipe.theirEnd) parts.push('the other side has ended');
    if (pipe.ourEnd) parts.push('this side has ended');
    else if (pipe.closed) parts.push('closed');
    if (!pipe.complete) parts.push('too much to keep in this page; only the end is shown');
    text(state, `${parts.join('; ')}.`);
  }

  return { element, update };
}
