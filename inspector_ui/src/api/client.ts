import createClient from "openapi-fetch";
import type { paths } from "./generated/schema";

/** Every request goes through here; paths, parameters and answers are typed by the server's OpenAPI description. */
export const api = createClient<paths>({ baseUrl: window.location.origin });
