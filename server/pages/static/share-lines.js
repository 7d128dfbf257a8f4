/** Breaking a text into lines where it may be broken. No DOM. */

const WIDE = '\\u2e80-\\u9fff\\uf900-\\ufaff\\uff00-\\uffef'; // characters that may stand alone
const PARTS = new RegExp(`\\s+|[${WIDE}]|[^\\s${WIDE}]+`, 'gu');
const MAY_NOT_BEGIN = /^[，。、！？：；）》」』”’…,.!?:;)]/u;

/**
 * At most `most` lines; `fits(line)` says whether one is short enough. What does not fit at all is
 * cut, and the last line then ends with an ellipsis.
 */
export function breakLines(text, fits, most) {
  const lines = [];
  let line = '';
  for (const part of partsOf(text.trim(), fits)) {
    if (fits(line + part) || (line && MAY_NOT_BEGIN.test(part))) {
      line += part;
      continue;
    }
    lines.push(line.trimEnd());
    line = part.trimStart();
  }
  if (line.trim()) lines.push(line.trimEnd());
  return lines.length > most ? [...lines.slice(0, most - 1), shorten(lines[most - 1], fits)] : lines;
}

/** Words and single wide characters; a word that is longer than a line falls into its letters. */
function partsOf(text, fits) {
  return (text.match(PARTS) ?? []).flatMap((part) => (fits(part) ? [part] : [...part]));
}

function shorten(line, fits) {
  const letters = [...line];
  while (letters.length > 1 && !fits(`${letters.join('')}…`)) letters.pop();
  return `${letters.join('').trimEnd()}…`;
}
