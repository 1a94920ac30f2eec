// The app's own files, so that it opens without the server. Frames, queues and reviews never pass through here: the API
// speaks for itself, and decisions wait in the outbox. vite.config.ts fills in the two constants.
const CACHE = "__CACHE__";
const FILES = __FILES__;

// On bad Wi-Fi a page is opened from here rather than waited for; the next opening has the new version.
const PATIENCE_MS = 2500;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) {
    return;
  }
  if (FILES.includes(pathname) && pathname !== "/") {
    event.respondWith(caches.match(pathname).then((kept) => kept ?? fetch(request)));
  } else if (request.mode === "navigate" && !/^\/(v1|docs|openapi\.json|healthz|readyz|metrics)(\/|$)/.test(pathname)) {
    event.respondWith(page(request));
  }
});

async function page(request) {
  const late = new Promise((resolve) => {
    setTimeout(resolve, PATIENCE_MS);
  });
  const fresh = fetch(request).catch(() => undefined);
  const answer = await Promise.race([fresh, late]);
  // a proxy whose server is away answers 502 or the like
  if (answer?.ok) {
    return answer;
  }
  return (await caches.match("/")) ?? (await fresh) ?? Response.error();
}
