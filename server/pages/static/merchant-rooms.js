/** Rooms: the list, a new one, its state, and what lies on its shelf. */

import { button, make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { ask, openForm } from './merchant-ask.js';
import { choiceField, textField } from './merchant-fields.js';
import { emptyCard, mountList } from './merchant-load.js';
import { code, deskLink, outLink, pageHead, roomBadge } from './merchant-parts.js';
import { ROOM_STATES } from './merchant-rules.js';
import { openShelf } from './merchant-shelf.js';

/** The view of all rooms. Returns `{close}`. */
export function openRooms(place, desk) {
  const body = make('div');
  const create = (look = 'button') => button({ text: t('merchant.room.new'), class: look, 'data-key': 'new' }, () => createRoom(desk).then((room) => room && list.refresh()));
  place.replaceChildren(pageHead(t('merchant.nav.rooms'), { lead: t('merchant.room.lead'), tools: [create()] }), body);
  const list = mountList(body, {
    label: t('merchant.nav.rooms'),
    page: (after) => desk.api.page('/api/v1/rooms', 'rooms', {}, after),
    empty: () => emptyCard('rooms', t('merchant.room.none'), t('merchant.room.none.text'), create()),
    columns: [
      { name: t('merchant.room.room'), cell: roomName },
      { name: t('merchant.state'), cell: (room) => roomBadge(room.state) },
      { name: t('merchant.room.pages'), cell: roomPages },
      { name: t('merchant.acts'), look: 'acts', cell: (room) => roomActs(room, desk, () => list.refresh()) },
    ],
  });
  return list;
}

const roomName = (room) =>
  make('div', { class: 'two-lines' }, make('b', { text: room.title, dir: 'auto' }), code(room.id));

const roomPages = (room) =>
  make(
    'div',
    { class: 'links' },
    outLink(t('merchant.room.viewer'), `/r/${encodeURIComponent(room.id)}`),
    outLink(t('merchant.room.console'), `/host/${encodeURIComponent(room.id)}`),
    ...['sales', 'ladders', 'visits'].map((view) => deskLink(t(`merchant.nav.${view}`), view, '', { room: room.id })),
  );

const roomActs = (room, desk, changed) =>
  make(
    'div',
    { class: 'row-acts' },
    button({ text: t('merchant.shelf.open'), class: 'button quiet small', 'data-key': `shelf-${room.id}` }, () => openShelf(room, desk)),
    button({ text: t('merchant.room.change'), class: 'button quiet small', 'data-key': `state-${room.id}` }, () =>
      changeRoom(room, desk).then((done) => done && changed())),
  );

function createRoom(desk) {
  const title = textField({ name: 'title', label: t('merchant.room.title'), required: true, maxlength: 120 });
  const id = textField({ name: 'id', label: t('merchant.id'), help: t('merchant.room.id.help'), required: true, maxlength: 64, spellcheck: 'false' });
  const stream = textField({ name: 'stream_url', label: t('merchant.room.stream'), help: t('merchant.room.stream.help'), inputmode: 'url' });
  return openForm({
    title: t('merchant.room.new'),
    fields: [title.root, id.root, stream.root],
    goWords: t('merchant.room.create'),
    act: () => desk.api.post('/api/v1/rooms', { title: title.read(), id: id.read(), stream_url: stream.read() }),
    done: (room) => t('merchant.room.created', { title: room.title }),
  });
}

/** Everybody in the room sees a new state at once, so it is a question. */
function changeRoom(room, desk) {
  const state = choiceField({ name: 'state', label: t('merchant.state'), value: room.state, options: ROOM_STATES.map((each) => [each, t(`state.${each}`)]) });
  return ask({
    title: t('merchant.room.change'),
    question: () => (state.read() === room.state ? t('merchant.room.change.same', { title: room.title }) : t(`merchant.room.change.${state.read()}`, { title: room.title })),
    fields: [state.root],
    go: () => t('merchant.room.change.go'),
    act: () => desk.api.patch(apiPath('rooms', room.id), { state: state.read() }),
    done: (changed) => t('merchant.room.changed', { title: changed.title, state: t(`state.${changed.state}`) }),
  });
}
