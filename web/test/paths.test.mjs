import test from 'node:test';
import assert from 'node:assert/strict';
import { baseName, collision, numbered, problem } from '../paths.js';
import { clean, cleanLines, bytes, duration } from '../text.js';

test('names that would leave the folder, meet a device or confuse a system are refused', () => {
  for (const path of [
    '', '/', '/etc/passwd', '..', '../x', 'a/../b', 'a/..', './a', 'a//b', 'a/', 'C:x', 'c:\\x', 'a\\b', 'a\0b', 'a\nb', 'a\u0085b',
    'con', 'NUL.txt', 'x/Com1', 'lpt9.tar.gz', 'aux .txt', 'aux:x', 'CLOCK$', 'com¹', 'a.', 'a ', 'a/b./c', '\ud800',
    'x'.repeat(256), 'é'.repeat(128), `${'a/'.repeat(64)}b`, `${'abcdefgh/'.repeat(500)}b`, null, undefined, 7, {},
  ]) {
    assert.notEqual(problem(path), null, JSON.stringify(path));
  }
});

test('ordinary names of every language pass', () => {
  for (const path of ['a', 'a/b.txt', '.hidden', '...x', 'console.log', 'com10', 'Ferien (1).jpg', 'é'.repeat(127), '日本語/写真.png', 'a b', 'xx:y']) {
    assert.equal(problem(path), null, path);
  }
});

test('entries that would fall onto each other are found', () => {
  const file = (path) => ({ path, size: 1 });
  const dir = (path) => ({ path, dir: true });
  assert.equal(collision([file('a'), file('b'), dir('c'), file('c/a')]), null);
  assert.equal(collision([file('a/x'), dir('a'), file('a/y')]), null);
  for (const entries of [
    [file('a'), file('a')],
    [file('a'), file('A')],
    [file('\u00e9'), file('e\u0301')],
    [file('σ'), file('ς')],
    [file('a'), file('a/b')],
    [file('a/b'), file('a')],
    [file('Dir/a'), file('dir/b')],
    [dir('a'), file('a')],
    [file('a'), dir('a')],
    [dir('a'), dir('a')],
  ]) {
    assert.notEqual(collision(entries), null, JSON.stringify(entries));
  }
});

test('helpers for names', () => {
  assert.equal(baseName('a/b.txt'), 'b.txt');
  assert.equal(baseName('b.txt'), 'b.txt');
  assert.equal(numbered('b.tar.gz', 2), 'b.tar (2).gz');
  assert.equal(numbered('.profile', 1), '.profile (1)');
});

test('what a peer says loses control characters and marks that reorder text, and is cut', () => {
  assert.equal(clean('a\u0000\u001b[31mb\u202ec\u2066d\u200be\nf\u009bg'), 'a[31mbcdefg');
  assert.equal(clean('x'.repeat(500), 10), `${'x'.repeat(9)}…`);
  assert.equal(clean(null), '');
  assert.equal(clean({ toString: () => 'odd\u0007' }), 'odd');
  assert.equal(cleanLines('a\r\nb\rc\td\u0000\u202e'), 'a\nb\nc\td');
});

test('numbers for people', () => {
  assert.deepEqual([0, 1, 1023, 1024, 1536, 5 * 1024 ** 3, 2047 * 1024].map(bytes), ['0 bytes', '1 byte', '1023 bytes', '1 KiB', '1.5 KiB', '5 GiB', '2 MiB']);
  assert.deepEqual([0, 59.2, 61, 3700, Infinity, NaN].map(duration), ['0 s', '1 min 0 s', '1 min 1 s', '1 h 1 min', '', '']);
});
