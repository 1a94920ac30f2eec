/** Keep the app's files on this machine, so that it opens without the server. Browsers allow it over HTTPS and on localhost. */
export function startServiceWorker(): void {
  if (import.meta.env.PROD && "serviceWorker" in navigator) {
    window.addEventListener("load", () => void navigator.serviceWorker.register("/sw.js"));
  }
}
