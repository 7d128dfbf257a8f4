(() => {
  const pages = [...document.querySelectorAll('[data-page]')];
  const place = (page) => [...page.querySelectorAll('section')]
    .filter((section) => section.getBoundingClientRect().top <= 80).length - 1;
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-to]');
    if (!button) return;
    const at = place(pages.find((page) => !page.hidden));
    for (const page of pages) page.hidden = page.lang !== button.dataset.to;
    const shown = pages.find((page) => !page.hidden);
    document.documentElement.lang = shown.lang;
    document.title = shown.dataset.document;
    shown.querySelector('[data-to]').focus({ preventScroll: true });
    if (at >= 0) shown.querySelectorAll('section')[at].scrollIntoView({ behavior: 'instant' });
  });
})();
