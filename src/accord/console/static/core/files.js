// A file that the browser keeps for whoever asked for it.

const SOON_MS = 10_000;

export function keep(text, name, type = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), SOON_MS);
}
