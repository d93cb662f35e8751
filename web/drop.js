// Files and folders from a drop, a paste or a file field, as `{ path, file }` and `{ path, dir: true }`.

const MAX_ITEMS = 10000;

/** From a file field, also one for folders. */
export function fromField(files) {
  return [...files].slice(0, MAX_ITEMS).map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** From a drop or a paste. To be called during the event; what it gives resolves later. */
export function fromTransfer(data) {
  // The entries can only be asked for during the event.
  const entries = [...(data.items ?? [])]
    .filter((item) => item.kind === 'file')
    .map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
  return collect(entries);
}

/** Whether a drag carries files. */
export function carriesFiles(data) {
  return [...(data?.types ?? [])].includes('Files');
}

async function collect(entries) {
  const found = [];
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) await walk(entry, entry.name, found);
    else if (file) found.push({ path: file.name, file });
  }
  return found;
}

async function walk(folder, path, found) {
  found.push({ path, dir: true });
  const reader = folder.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return;
    for (const entry of batch) {
      if (found.length >= MAX_ITEMS) return;
      const below = `${path}/${entry.name}`;
      if (entry.isDirectory) await walk(entry, below, found);
      else found.push({ path: below, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
    }
  }
}
