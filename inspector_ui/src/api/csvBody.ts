/** A table as the body of a request, sent as it is. */
export function csvBody(content: string) {
  return { body: content, bodySerializer: (text: string) => text, headers: { "Content-Type": "text/csv" } };
}
