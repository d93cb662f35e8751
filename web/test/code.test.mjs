import test from 'node:test';
import assert from 'node:assert/strict';
import { CodeError, generate, link, parse } from '../code.js';

const CODE = 'k7m2xq-0123456789abcdefghjk';

function kind(text) {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof CodeError);
    return error.kind;
  }
  return null;
}

test('a fresh code has the documented shape, reads back as itself and is never the same', () => {
  const seen = new Set();
  for (let i = 0; i < 200; i += 1) {
    const code = generate();
    assert.match(code.text, /^[0-9a-hjkmnp-tv-z]{6}-[0-9a-hjkmnp-tv-z]{20}$/);
    assert.equal(parse(code.text).text, code.text);
    seen.add(code.text);
  }
  assert.equal(seen.size, 200);
});

test('case, spaces, more hyphens and look-alike letters do not matter', () => {
  for (const typed of [
    CODE.toUpperCase(),
    '  K7M2XQ-01234-56789 abcde-FGHJK\n',
    'k7m2xq-oL23456789abcdefghjk',
    'k7m2xq–OI23456789ABCDEFGHJK',
  ]) {
    assert.equal(parse(typed).text, CODE);
  }
});

test('a link gives its code and its server, and a code makes a link', () => {
  const made = link('http://192.0.2.7:8080/?x=1#old', parse(CODE));
  assert.equal(made, `http://192.0.2.7:8080/#${CODE}`);
  const read = parse(made);
  assert.equal(read.text, CODE);
  assert.equal(read.server.origin, 'http://192.0.2.7:8080');
  assert.equal(parse(`#${CODE}`).server, null);
  assert.equal(link('https://example.org/files/', parse(CODE)), `https://example.org/files/#${CODE}`);
});

test('what is no code is refused with its reason', () => {
  assert.equal(kind(''), 'empty');
  assert.equal(kind('   '), 'empty');
  assert.equal(kind('k7m2xq'), 'shape');
  assert.equal(kind('http://192.0.2.7/'), 'shape');
  assert.equal(kind('abc-0123456789abcdefghjk'), 'room');
  assert.equal(kind(`${'a'.repeat(33)}-0123456789abcdefghjk`), 'room');
  assert.equal(kind('k7m2xq-0123456789abcdefghjU'), 'character');
  assert.equal(kind('k7m2xq-0123456789abcde<script>'), 'character');
  assert.equal(kind(`k7m2xq-${'0123456789abcdef'.repeat(9)}`), 'long');
  assert.equal(kind(`javascript:alert(1)#${CODE}`), 'server');
});

test('a weak secret is refused and the weakest allowed one is not', () => {
  assert.equal(kind('room-0123456789abcde'), 'weak');
  assert.equal(kind('room-0000000001234567'.replace('7', '0')), 'weak');
  assert.equal(kind('room-0000000001234567'), null);
});

test('a code of words is read as people say it, and told apart from any other', () => {
  for (const typed of ['7-guitar-sunset', ' 7 Guitar Sunset\n', '7. guitar, sunset.', '07 GUITAR—SUNSET', '7guitar sunset', '7-guit-suns', '7%20guitar%20sunset']) {
    const code = parse(typed);
    assert.deepEqual([code.nameplate, code.words, code.text, code.server], [7, 'guitar-sunset', '7-guitar-sunset', null], typed);
  }
  assert.equal(parse('https://example.org/#7-guitar-sunset').server.host, 'example.org');
  for (const typed of ['k7m2xq-0123456789abcdefghjk', '1234-abcdefghjkmnpqrstvwx', '1234-abcde-fghjk-mnpqr-stvwx']) {
    assert.equal(parse(typed).nameplate, undefined, typed);
  }
});

test('a mistyped code of words is refused with what was meant', () => {
  for (const [typed, kind, meant] of [
    ['7-giutar-sunset', 'word', /“guitar”/],
    ['7 guitar', 'count', /two to eight/],
    ['7', 'count', /two to eight/],
    ['guitar sunset', 'number', /number/],
    ['0-guitar-sunset', 'number', /999999/],
    ['7-gui-sunset', 'word', /“gui”/],
  ]) {
    assert.throws(() => parse(typed), (error) => error.kind === kind && meant.test(error.message), typed);
  }
});
