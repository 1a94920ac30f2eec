import createClient from "openapi-fetch";
import { csrfHeaders } from "./csrf";
import type { paths } from "./generated/schema";
import { noteStatus } from "./refusal";
import { noteServerTime } from "./serverClock";

/** Every request goes through here; paths, parameters and answers are typed by the server's OpenAPI description. */
export const api = createClient<paths>({ baseUrl: window.location.origin });

api.use({
  onRequest({ request }) {
    if (request.method !== "GET") {
      for (const [name, value] of Object.entries(csrfHeaders())) {
        request.headers.set(name, value);
      }
    }
    return request;
  },
  onResponse({ response, schemaPath }) {
    noteServerTime(response);
    // a wrong password is no sign that the session has ended
    if (!schemaPath.startsWith("/v1/session")) {
      noteStatus(response.status);
    }
  },
});
