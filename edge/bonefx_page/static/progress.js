"use strict";
setTimeout(() => window.location.reload(), 3000);
