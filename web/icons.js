// The signs on the buttons of a call, as SVG: fonts do not have them everywhere.

const SVG = 'http://www.w3.org/2000/svg';
const PATHS = {
  mic: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4',
  camera: 'M4 7h10a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1zM15 11l6-3v8l-6-3',
  screen: 'M4 5h16a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM9 20h6M12 16v4',
  devices: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4',
  leave: 'M3 15c0-2 4-5 9-5s9 3 9 5v1a1 1 0 0 1-1 1l-3-.5a1 1 0 0 1-1-1V13a12 12 0 0 0-8 0v2.5a1 1 0 0 1-1 1L4 17a1 1 0 0 1-1-1z',
  enlarge: 'M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7',
  picture: 'M4 5h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM12 12h6v4h-6z',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
};
const SLASH = 'M4 4l16 16';

/** A sign by its name; the line through it is shown where what the button switches is off. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true' })) drawing.setAttribute(key, value);
  for (const [d, kind] of [[PATHS[name], 'shape'], [SLASH, 'slash']]) {
    const line = document.createElementNS(SVG, 'path');
    line.setAttribute('d', d);
    line.setAttribute('class', kind);
    drawing.append(line);
  }
  return drawing;
}
