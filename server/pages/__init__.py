"""The browser's side: the viewer page, the host console and the files they are made of."""
