/** The stage: the room's video where this browser can play it, else a placeholder in brand. */

import { byId, safeUrl, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const TRY_AGAIN_MS = 8000;
const HLS = 'application/vnd.apple.mpegurl';
const TYPES = { m3u8: HLS, mp4: 'video/mp4', m4v: 'video/mp4', webm: 'video/webm' };

/** Show the room on the stage, now and whenever it changes. */
export function mountStage(state) {
  const video = byId('video');
  const unmute = byId('unmute');
  let playing = '';
  const draw = () => {
    const { title, state: phase } = state.room;
    byId('room').dataset.state = phase;
    byId('curtain-title').textContent = title;
    byId('curtain-state').textContent = t(`stage.${phase}`);
    byId('curtain-hint').textContent = t(`stage.${phase}.hint`);
    const wanted = phase === 'ended' ? '' : playable(video, state.room.stream_url);
    if (wanted === playing) return;
    playing = wanted;
    setSource(video, wanted);
    showVideo(false);
  };
  const showVideo = (visible) => {
    show(video, visible);
    show(byId('curtain'), !visible);
    show(unmute, visible && video.muted);
  };
  video.addEventListener('playing', () => {
    byId('stage').dataset.shape = video.videoWidth > video.videoHeight ? 'wide' : 'tall';
    showVideo(true);
  });
  for (const event of ['error', 'ended', 'emptied']) {
    video.addEventListener(event, () => showVideo(false));
  }
  // The room often goes live a little before its stream does.
  video.addEventListener('error', () => {
    const failed = playing;
    setTimeout(() => failed && failed === playing && setSource(video, playing), TRY_AGAIN_MS);
  });
  unmute.addEventListener('click', () => {
    video.muted = false;
    show(unmute, false);
  });
  state.on('reset', draw);
  state.on('room', draw);
  onLanguage(draw);
}

/** The address when the browser says that it may play it, else ''. */
function playable(video, address) {
  const url = address ? safeUrl(address) : '';
  if (!url) return '';
  const ending = new URL(url).pathname.split('.').pop().toLowerCase();
  return video.canPlayType(TYPES[ending] ?? HLS) ? url : '';
}

function setSource(video, url) {
  if (url) {
    video.src = url;
    video.muted = true;
    // Autoplay may be forbidden (low power mode): the placeholder stays, and that is all.
    video.play().catch(() => {});
  } else if (video.src) {
    video.removeAttribute('src');
    video.load();
  }
}
