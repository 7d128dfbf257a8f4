/** Who this browser is: a token from the link, a guest's token, or nobody. */

import { sitePath } from './site.js';
import { recall, remember } from './storage.js';

/** Take `#token=...` out of the address, so that it is not shared by accident; null if none. */
export function tokenFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  if (token === null) return null;
  fragment.delete('token');
  const rest = fragment.toString();
  history.replaceState(null, '', location.pathname + location.search + (rest ? `#${rest}` : ''));
  return token.trim();
}

/** A token kept under a name: `{token, guest, name}`, or null. */
export function keptSession(name, storage) {
  try {
    const session = JSON.parse(recall(name, storage) ?? 'null');
    return typeof session?.token === 'string' ? session : null;
  } catch {
    return null;
  }
}

/** Keep a session, or with null forget it. */
export const keepSession = (name, session, storage) =>
  remember(name, session && JSON.stringify(session), storage);

/** Why an HTTP request was refused; `status` 0 means that it did not arrive. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** A JSON request to this server; resolves with the answer's JSON, rejects with `HttpError`. */
export async function callApi(method, path, body, token, withinMs = 10_000) {
  const headers = { 'content-type': 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(sitePath(path), {
      method,
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout?.(withinMs), // not in Safari 15
    });
  } catch (error) {
    throw new HttpError(0, String(error));
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new HttpError(response.status, answer.error?.message ?? '');
  return answer;
}

/** Make this person a guest with a name; resolves with `{token, user}`. */
export const becomeGuest = (name) => callApi('POST', '/api/v1/guests', { name });

/** Where the room server listens, beside this page. */
export const socketAddress = () =>
  `${location.origin.replace(/^http/, 'ws')}${sitePath('/connection/websocket')}`;

/** The role somebody holds in one room, from the connect result's data. */
export function roleIn(person, room) {
  const rooms = person?.rooms ?? [];
  return rooms.includes(room) || rooms.includes('*') ? (person.role ?? 'viewer') : 'viewer';
}
