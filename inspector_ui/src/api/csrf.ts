/** The token of the present session; only a page of this server can read it, and every change must carry it. */
let token: string | null = null;

export function setCsrfToken(value: string | null): void {
  token = value;
}

export function csrfHeaders(): Record<string, string> {
  return token === null ? {} : { "X-CSRF-Token": token };
}
