"use strict";
// Not while a link or button has the focus: a reload would take it from whoever uses keys.
setInterval(() => {
  if (document.activeElement === document.body) window.location.reload();
}, 3000);
