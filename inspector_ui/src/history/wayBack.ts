/** What stands in the browser's history: where a gallery was left, and of a part's page that it was opened from a gallery. */
interface Left {
  top?: number;
  fromGallery?: boolean;
}

export const FROM_GALLERY: Left = { fromGallery: true };

/** Keep where the gallery is, for when somebody comes back to it. */
export function leaveGallery(): void {
  window.history.replaceState({ top: window.scrollY } satisfies Left, "");
}

/** Where the gallery that is on the screen again was left, in pixels from the top; told once. */
export function takePlaceLeft(): number | null {
  const top = (window.history.state as Left | null)?.top;
  if (top === undefined) {
    return null;
  }
  window.history.replaceState(null, "");
  return top;
}

/** Whether the step before this page is the gallery it was opened from. */
export function cameFromGallery(): boolean {
  return (window.history.state as Left | null)?.fromGallery === true;
}
