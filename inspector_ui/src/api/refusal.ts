/** Called when the server refuses somebody it does not know, or not for this: who is signed in must be asked again. */
type Listener = () => void;

const listeners = new Set<Listener>();

export function onRefusal(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function noteStatus(status: number): void {
  if (status === 401 || status === 403) {
    for (const listener of listeners) {
      listener();
    }
  }
}
