/** The HTTP API as the desk uses it, with one merchant's token. No DOM but for saving files. */

import { fieldAndWhy, queryText } from './merchant-rules.js';
import { callApi, HttpError } from './session.js';
import { sitePath } from './site.js';
import { t } from './i18n.js';

const SAVED_FOR_MS = 60_000;
const SLOW_MS = 75_000;

/** Calls the API; `onSignedOut(error)` when the token is refused, beside the rejection. */
export class DeskApi {
  #token;
  #onSignedOut;

  constructor(token, onSignedOut) {
    this.#token = token;
    this.#onSignedOut = onSignedOut;
  }

  get = (path, query = {}) => this.#call('GET', path + queryText(query));
  post = (path, body) => this.#call('POST', path, body);
  patch = (path, body) => this.#call('PATCH', path, body);
  put = (path, body) => this.#call('PUT', path, body);
  /** For what the server takes its time over, such as opening a shadow shop. */
  slowly = (method, path, body) => this.#call(method, path, body, SLOW_MS);

  /** One page of a list: `{rows, next}`. */
  async page(path, name, query = {}, after = '') {
    const answer = await this.get(path, { ...query, after });
    return { rows: answer[name], next: answer.next };
  }

  /** Rows of all pages up to a bound, for lists to choose from. */
  async all(path, name, query = {}, most = 1000) {
    const rows = [];
    let after = '';
    do {
      const page = await this.page(path, name, query, after);
      rows.push(...page.rows);
      after = page.next;
    } while (after !== null && rows.length < most);
    return rows;
  }

  /** Fetch a file and hand it to the browser to save, under the name the server gives. */
  async save(path, query, fallbackName) {
    const response = await this.#fetchFile(path + queryText(query));
    const name = /filename="?([\w.-]+)"?/.exec(response.headers.get('content-disposition') ?? '')?.[1];
    const address = URL.createObjectURL(await response.blob());
    const link = document.createElement('a');
    link.href = address;
    link.download = name ?? fallbackName;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), SAVED_FOR_MS);
  }

  async #fetchFile(path) {
    let response;
    try {
      response = await fetch(sitePath(path), { headers: { authorization: `Bearer ${this.#token}` } });
    } catch (error) {
      throw new HttpError(0, String(error));
    }
    if (response.ok) return response;
    const answer = await response.json().catch(() => ({}));
    throw this.#noticed(new HttpError(response.status, answer.error?.message ?? ''));
  }

  async #call(method, path, body, withinMs) {
    try {
      return await callApi(method, path, body, this.#token, withinMs);
    } catch (error) {
      throw this.#noticed(error);
    }
  }

  #noticed(error) {
    if (error.status === 401) this.#onSignedOut(error);
    return error;
  }
}

/** The path of a thing below /api/v1: its parts may hold any character. */
export const apiPath = (...parts) => `/api/v1/${parts.map(encodeURIComponent).join('/')}`;

/** Why something failed, in the reader's language; the server's own words where they matter. */
export function failureWords(error) {
  const reason = fieldAndWhy(error.message ?? '').why;
  switch (error.status) {
    case 0:
      return t('merchant.fail.offline');
    case 401:
      return t('merchant.fail.signin');
    case 403:
      return t('merchant.fail.forbidden', { reason });
    case 404:
      return t('merchant.fail.unknown', { reason });
    case 409:
      return t('merchant.fail.conflict', { reason });
    case 400:
    case 413:
    case 422:
      return t('merchant.fail.refused', { reason });
    case 429:
    case 503:
      return t('merchant.fail.busy');
    default:
      return t('merchant.fail.other', { reason: error.message || String(error.status ?? error) });
  }
}
