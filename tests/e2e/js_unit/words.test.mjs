import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatCount, formatPrice, priceRange } from '../../../server/pages/static/format.js';
import { SHARE_MESSAGES } from '../../../server/pages/static/share-messages.js';
import { chooseLanguage, fill, LANGUAGES, matchLanguage, MESSAGES } from '../../../server/pages/static/messages.js';

const ALL = Object.fromEntries(LANGUAGES.map((one) => [one, { ...MESSAGES[one], ...SHARE_MESSAGES[one] }]));

test('both languages have the same keys, in the same order', () => {
  assert.deepEqual(Object.keys(MESSAGES), LANGUAGES);
  const [zh, en] = LANGUAGES.map((language) => Object.keys(MESSAGES[language]));
  assert.deepEqual(zh, en);
});

test('both languages fill in the same names', () => {
  const names = (message) => (message.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(ALL.en)) {
    assert.deepEqual(names(ALL['zh-CN'][key]), names(ALL.en[key]), key);
    assert.notEqual(ALL.en[key].trim(), '', key);
    assert.notEqual(ALL['zh-CN'][key].trim(), '', key);
  }
});

test('the address wins over the choice, the choice over the browser, and English is last', () => {
  assert.equal(chooseLanguage({ asked: 'en', stored: 'zh-CN', preferred: ['zh'] }), 'en');
  assert.equal(chooseLanguage({ asked: null, stored: 'zh-CN', preferred: ['en'] }), 'zh-CN');
  assert.equal(chooseLanguage({ asked: 'xx', stored: null, preferred: ['fr', 'zh-TW', 'en'] }), 'zh-CN');
  assert.equal(chooseLanguage({ preferred: ['fr'] }), 'en');
  assert.equal(matchLanguage(undefined), null);
});

test('values are put in as they are, once', () => {
  assert.equal(fill('{a} {b} {c}', { a: '{b}', b: '$&' }), '{b} $& {c}');
  assert.equal(fill(undefined, {}, 'some.key'), 'some.key');
});

test('money is written from minor units, without needless zeros', () => {
  assert.equal(formatPrice(12_800, 'CNY', 'zh-CN'), '¥128');
  assert.equal(formatPrice(12_850, 'CNY', 'zh-CN'), '¥128.50');
  assert.equal(formatPrice(500, 'JPY', 'en'), '¥500');
  assert.equal(formatPrice(123_456_789, 'USD', 'en'), '$1,234,567.89');
  assert.equal(formatPrice(1_500, 'BHD', 'en').replace(/\s/u, ' '), 'BHD 1.500');
});

test('a product of several prices is shown from its lowest', () => {
  const skus = [{ price_minor: 300 }, { price_minor: 200 }];
  assert.deepEqual(priceRange({ price_minor: 999, skus }), { from: 200, varies: true });
  assert.deepEqual(priceRange({ price_minor: 999, skus: [{ price_minor: 5 }] }), { from: 5, varies: false });
  assert.deepEqual(priceRange({ price_minor: 999, skus: [] }), { from: 999, varies: false });
});

test('counts are exact while they are small', () => {
  assert.equal(formatCount(9_999, 'en'), '9,999');
  assert.equal(formatCount(12_345, 'en'), '12.3K');
  assert.equal(formatCount(12_345, 'zh-CN'), '1.2万');
});
