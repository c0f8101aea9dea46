// What is asked of the server, and the token that it may want.

const MOST_BYTES = 8 * 2 ** 20; // the server's own limit
const MOST_PIXELS = 25e6; // the same
const MAYBE_LARGE = 2 ** 20; // bytes: a smaller photo has fewer pixels
const LONGEST_EDGE = 2048;
const TRIES_WHEN_BUSY = 3;
const SECONDS = 30;
const KEY = "token";

// Behind the hash no server and no log sees it. It is kept for this tab alone, and taken out of the
// address, which others read on a projector. Of a token's characters a browser writes these alone
// otherwise; any other % is the token's own.
if (location.hash.length > 1) {
  keepToken(location.hash.slice(1).replace(/%(20|22|3c|3e|60)/gi, decodeURIComponent));
  history.replaceState(null, "", location.pathname + location.search);
}

export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

/** Why there is no answer, in words for people; `kind`: "token", "picture", "cancelled" or "server". */
export class Fault extends Error {
  constructor(message, kind = "server") {
    super(message);
    this.kind = kind;
  }
}

function refusal(status, detail) {
  const reason = typeof detail === "string" ? detail : "it is not understood";
  if (status === 401) {
    const given = sessionStorage.getItem(KEY) !== null;
    return new Fault(given ? "The server does not take this token." : "The server asks for its token.", "token");
  }
  if (status === 422) return new Fault(`This picture cannot be used: ${reason}.`, "picture");
  return new Fault(`The server says: ${reason}.`);
}

async function once(path, body, signal) {
  const token = sessionStorage.getItem(KEY);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  for (let count = 1; ; count += 1) {
    const response = await fetch(path, { method: body ? "POST" : "GET", body, headers, signal });
    if (response.status !== 503 || count === TRIES_WHEN_BUSY) return [response, await response.json()];
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

/** The JSON at a path; with a body it is posted. Throws a `Fault`. */
export async function ask(path, { body, signal } = {}) {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal?.addEventListener("abort", end);
  const clock = setTimeout(end, 1000 * SECONDS);
  try {
    const [response, content] = await once(path, body, ending.signal);
    if (response.ok) return content;
    throw refusal(response.status, content.detail);
  } catch (fault) {
    if (fault instanceof Fault) throw fault;
    if (signal?.aborted) throw new Fault("Cancelled.", "cancelled");
    throw new Fault(ending.signal.aborted ? `No answer within ${SECONDS} seconds.` : "The server does not answer.");
  } finally {
    clearTimeout(clock);
    signal?.removeEventListener("abort", end);
  }
}

// A phone's photo may be larger than the server takes, in bytes or in pixels.
async function shrink(picture) {
  if (picture.size <= MAYBE_LARGE) return picture;
  let bitmap;
  try {
    bitmap = await createImageBitmap(picture);
  } catch {
    if (picture.size <= MOST_BYTES) return picture; // the server reads more kinds than a browser
    throw new Fault("This is not a picture that the browser can read.", "picture");
  }
  if (picture.size <= MOST_BYTES && bitmap.width * bitmap.height <= MOST_PIXELS) {
    bitmap.close();
    return picture;
  }
  const scale = Math.min(1, LONGEST_EDGE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * bitmap.width));
  canvas.height = Math.max(1, Math.round(scale * bitmap.height));
  const paper = canvas.getContext("2d");
  paper.fillStyle = "white"; // JPEG knows nothing of what is transparent, and would make it black
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

/** What the model says of a picture file. Throws a `Fault`. */
export async function predict(picture, signal) {
  return ask("v1/predict", { body: await shrink(picture), signal });
}

/** What the network sees in a picture file. Throws a `Fault`. */
export async function layers(picture, signal) {
  return ask("v1/layers", { body: await shrink(picture), signal });
}
