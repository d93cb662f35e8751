// The module web/compact/templates.js, made from the templates that the native side compiles in. Run this file to write it.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = new URL('../../crates/signal/src/compact/templates/', import.meta.url);
const ORIGINS = ['native', 'chromium', 'firefox'];

/** The text of the module as it has to be. */
export function templatesModule() {
  const parts = ORIGINS.map((origin) => `  ${origin}: \`\n${template(origin)}\`.trim(),\n`);
  return `// What each origin writes anyway, line by line: crates/signal/src/compact/templates, written here by test/templates.mjs.

export const TEMPLATES = {
${parts.join('')}};
`;
}

function template(origin) {
  const text = readFileSync(new URL(`${origin}.txt`, FOLDER), 'utf8');
  if (/[`\\]|\$\{/.test(text)) throw new Error(`${origin}.txt has what means something in a module`);
  return text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../compact/templates.js', import.meta.url), templatesModule());
}
