/** An answer that is not 2xx, with the sentence that the server gave (RFC 9457 `detail`). */
export class ProblemError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** The sentence in a problem+json body, or the bare status when the body has none. */
export function problemDetail(status: number, body: unknown): string {
  if (typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string") {
    return body.detail;
  }
  return `HTTP ${status}`;
}

/** The data of an openapi-fetch answer; throws ProblemError otherwise. */
export function expectData<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new ProblemError(answer.response.status, problemDetail(answer.response.status, answer.error));
  }
  return answer.data;
}
