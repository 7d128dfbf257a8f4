/** A poster of what is shared, with its link as a QR code: one picture to save and to send. */

import { button, make, safeUrl } from './dom.js';
import { t } from './i18n.js';
import { breakLines } from './share-lines.js';
import { makeSheet } from './sheet.js';
import { sitePath } from './site.js';

const WIDTH = 750;
const HEIGHT = 1200;
const EDGE = 56;
const CARD = { x: 40, y: 190, width: WIDTH - 80, round: 36 };
const SAVED_FOR_MS = 60_000;

/**
 * Draw it and show it in a sheet. `product` and `comment` may be missing; `price` is in words. A
 * poster of the room shows what is explained there, or stands first on its shelf. Rejects when the QR code cannot be had, for without it the poster leads nowhere.
 */
export async function openPoster({ link, url, product, comment, desk, price }) {
  const { pinned, shelf } = desk.state;
  const goods = comment ? null : (product ?? pinned ?? shelf[0]);
  const [code, shown, logo] = await Promise.all([
    loadImage(sitePath(`/s/${link.code}/qr.svg`)),
    goods ? tryImage(goods.image_url) : null,
    desk.logo ? tryImage(desk.logo) : null,
  ]);
  const canvas = make('canvas', { width: WIDTH, height: HEIGHT });
  const words = { brand: desk.brand, room: desk.state.room.title, title: product?.title ?? '', price, comment };
  new Painter(canvas, words).paint({ code, shown, logo });
  showPoster(canvas, t('poster.alt', { title: words.title || words.room || words.brand, url }));
}

class Painter {
  constructor(canvas, words) {
    this.pen = canvas.getContext('2d');
    this.words = words;
    const style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.family = style.getPropertyValue('--font').trim() || 'sans-serif';
  }

  paint({ code, shown, logo }) {
    this.#ground();
    this.#head(logo);
    const bottom = HEIGHT - 330;
    this.#box(CARD.x, CARD.y, CARD.width, HEIGHT - CARD.y - 40, CARD.round, '#fff');
    if (this.words.comment) this.#quote(bottom);
    else this.#goods(shown, bottom);
    this.#foot(code, bottom);
  }

  #ground() {
    const { pen } = this;
    const glow = pen.createLinearGradient(0, 0, WIDTH, HEIGHT);
    glow.addColorStop(0, this.colour('glow-1'));
    glow.addColorStop(0.6, this.colour('glow-3'));
    glow.addColorStop(1, this.colour('glow-0'));
    pen.fillStyle = glow;
    pen.fillRect(0, 0, WIDTH, HEIGHT);
  }

  #head(logo) {
    const { pen, words } = this;
    const size = 92;
    if (logo) {
      pen.save();
      this.#path(EDGE, 56, size, size, 26);
      pen.clip();
      cover(pen, logo, EDGE, 56, size, size);
      pen.restore();
    } else {
      this.#box(EDGE, 56, size, size, 26, this.colour('brand-fill'));
      this.#text(words.brand.slice(0, 1).toUpperCase(), EDGE + size / 2, 118, { size: 44, weight: 750, fill: this.colour('brand-ink'), align: 'center' });
    }
    this.#lines(words.brand, EDGE + size + 24, 96, { size: 34, weight: 700, fill: '#fff', width: WIDTH - EDGE * 2 - size - 24, most: 1 });
    const under = words.title || words.comment ? words.room : t('poster.live');
    this.#lines(under, EDGE + size + 24, 138, { size: 24, fill: 'rgb(255 255 255 / 86%)', width: WIDTH - EDGE * 2 - size - 24, most: 1 });
  }

  #goods(shown, bottom) {
    const { words } = this;
    const inner = CARD.width - 60;
    let y = CARD.y + 30;
    if (shown) {
      const height = 430;
      this.pen.save();
      this.#path(CARD.x + 30, y, inner, height, 24);
      this.pen.clip();
      cover(this.pen, shown, CARD.x + 30, y, inner, height);
      this.pen.restore();
      y += height + 58;
      y = this.#lines(words.title || words.room || words.brand, CARD.x + 34, y, { size: 36, weight: 650, width: inner - 8, most: 2 });
      if (words.price) this.#text(words.price, CARD.x + 34, y + 18, { size: 46, weight: 750, fill: this.colour('brand-on-light') });
      else if (!words.title) this.#text(t('poster.come'), CARD.x + 34, y + 8, { size: 27, fill: '#5a616e' });
      return;
    }
    const title = words.title || words.room || words.brand;
    const size = 54;
    const options = { size, weight: 750, width: inner - 40, most: 5, align: 'center' };
    const height = this.#count(title, options) * size * 1.35;
    y = (CARD.y + bottom - height) / 2 + size;
    y = this.#lines(title, WIDTH / 2, y, options);
    this.#text(words.price || t('poster.come'), WIDTH / 2, y + 24, { size: words.price ? 46 : 28, weight: words.price ? 750 : 400, fill: this.colour('brand-on-light'), align: 'center' });
  }

  #quote(bottom) {
    const { comment } = this.words;
    const inner = CARD.width - 120;
    const options = { size: 46, weight: 600, width: inner, most: 6 };
    const height = this.#count(comment.text, options) * options.size * 1.35;
    const top = Math.max(CARD.y + 190, (CARD.y + bottom - height) / 2 + 40);
    this.#text('\u201c', CARD.x + 52, top - 20, { size: 190, weight: 700, family: 'Georgia, "Times New Roman", serif', fill: this.colour('brand-on-light') });
    const y = this.#lines(comment.text, CARD.x + 60, top, options);
    this.#lines(`—— ${maskedName(comment.name)}`, CARD.x + 60, y + 20, { size: 28, fill: '#5a616e', width: inner, most: 1 });
  }

  #foot(code, top) {
    const { pen } = this;
    pen.fillStyle = '#e3e5ea';
    pen.fillRect(CARD.x + 34, top, CARD.width - 68, 2);
    const size = 220;
    pen.drawImage(code, CARD.x + 34, top + 34, size, size);
    const x = CARD.x + 34 + size + 34;
    const width = CARD.width - size - 130;
    const y = this.#lines(t('poster.scan'), x, top + 110, { size: 36, weight: 700, width, most: 2 });
    this.#lines(t('poster.scan.more'), x, y + 10, { size: 25, fill: '#5a616e', width, most: 3 });
  }

  // ---- the brush ----------------------------------------------------------------------------

  #font({ size, weight = 400, family = this.family }) {
    this.pen.font = `${weight} ${size}px ${family}`;
  }

  #text(text, x, y, { fill = '#16181d', align = 'left', ...font }) {
    this.#font(font);
    this.pen.fillStyle = fill;
    this.pen.textAlign = align;
    this.pen.fillText(text, x, y);
  }

  #broken(text, { width, most, ...font }) {
    this.#font(font);
    return breakLines(text, (line) => this.pen.measureText(line).width <= width, most);
  }

  #count(text, options) {
    return this.#broken(text, options).length;
  }

  /** Lines of text from a first baseline; returns the baseline of what comes after them. */
  #lines(text, x, y, options) {
    const lines = this.#broken(text, options);
    lines.forEach((line, index) => this.#text(line, x, y + index * options.size * 1.35, options));
    return y + lines.length * options.size * 1.35;
  }

  #path(x, y, width, height, round) {
    const { pen } = this;
    pen.beginPath();
    pen.moveTo(x + round, y);
    pen.arcTo(x + width, y, x + width, y + height, round);
    pen.arcTo(x + width, y + height, x, y + height, round);
    pen.arcTo(x, y + height, x, y, round);
    pen.arcTo(x, y, x + width, y, round);
    pen.closePath();
  }

  #box(x, y, width, height, round, fill) {
    this.#path(x, y, width, height, round);
    this.pen.fillStyle = fill;
    this.pen.fill();
  }
}

/** A name on a picture that leaves the room: its first character, as the server masks it. */
const maskedName = (name) => `${[...name.trim()][0] ?? ''}*`;

/** Fill a box with an image, cutting what stands over. */
function cover(pen, image, x, y, width, height) {
  const [w, h] = [image.naturalWidth || width, image.naturalHeight || height];
  const scale = Math.max(width / w, height / h);
  pen.drawImage(image, x + (width - w * scale) / 2, y + (height - h * scale) / 2, w * scale, h * scale);
}

async function loadImage(address) {
  const image = new Image();
  image.crossOrigin = 'anonymous'; // else a canvas with it could not be saved
  image.src = address;
  await image.decode();
  return image;
}

/** The image, or null where there is none to be had: the poster does without. */
const tryImage = (address) => (safeUrl(address) ? loadImage(safeUrl(address)).catch(() => null) : null);

function showPoster(canvas, alt) {
  const image = make('img', { class: 'poster', src: canvas.toDataURL('image/png'), alt });
  const save = button({ icon: 'download', text: t('poster.save'), class: 'button wide poster-save' }, () => savePoster(canvas));
  makeSheet({ title: t('poster.title'), look: 'poster-sheet' }, image, make('p', { class: 'soft', text: t('poster.hold') }), save);
}

function savePoster(canvas) {
  canvas.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    make('a', { href: address, download: 'poster.png' }).click();
    setTimeout(() => URL.revokeObjectURL(address), SAVED_FOR_MS);
  }, 'image/png');
}
