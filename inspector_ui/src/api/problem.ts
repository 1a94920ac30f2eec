import i18next from "i18next";
import type { Language } from "../i18n/i18n";

interface Sentence {
  words: string;
  lang: Language;
}

/** An answer that is not 2xx, with the sentence that the server gave (RFC 9457 `detail`), and its language. */
export class ProblemError extends Error {
  readonly status: number;
  readonly lang: Language;

  constructor(status: number, { words, lang }: Sentence) {
    super(words);
    this.status = status;
    this.lang = lang;
  }
}

/** The sentence in a problem+json body, in the page's language where the server has it; the bare status without a body. */
export function problemDetail(status: number, body: unknown): string {
  return sentenceOf(status, body).words;
}

/** The data of an openapi-fetch answer; throws ProblemError otherwise. */
export function expectData<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new ProblemError(answer.response.status, sentenceOf(answer.response.status, answer.error));
  }
  return answer.data;
}

/** Throws ProblemError for an answer that is not 2xx, of a request whose answer has no data. */
export function expectDone({ error, response }: { error?: unknown; response: Response }): void {
  if (!response.ok) {
    throw new ProblemError(response.status, sentenceOf(response.status, error));
  }
}

function sentenceOf(status: number, body: unknown): Sentence {
  if (typeof body === "object" && body !== null) {
    if (i18next.language === "zh-Hant" && "detail_zh_hant" in body && typeof body.detail_zh_hant === "string") {
      return { words: body.detail_zh_hant, lang: "zh-Hant" };
    }
    if ("detail" in body && typeof body.detail === "string") {
      return { words: body.detail, lang: "en" };
    }
  }
  return { words: `HTTP ${status}`, lang: "en" };
}
