import "@mantine/core/styles.css";
import "./theme/app.css";
import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { EventStreamProvider } from "./api/EventStreamProvider";
import { ProblemError } from "./api/problem";
import { startI18n } from "./i18n/i18n";
import { startServiceWorker } from "./offline/startServiceWorker";
import { OutboxProvider } from "./outbox/OutboxProvider";
import { SessionProvider } from "./review/SessionProvider";
import { App } from "./shell/App";
import { theme } from "./theme/theme";
import { SignInGate } from "./who/SignInGate";
import { WhoProvider } from "./who/WhoProvider";

const ASK_AGAIN_MS = 5_000;
const LONGEST_BREAK_MS = 60_000;
const SERVER_AT_FAULT = 500;

/** Asked again, the server would say the same; not so where it, or the proxy before it, has a bad moment. */
function refused(error: Error): boolean {
  return error instanceof ProblemError && error.status < SERVER_AT_FAULT;
}

// "always": whether the server on this network answers is known by asking it, not by the browser's idea of being online.
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always",
      retry: (failures, error) => failures === 0 && !refused(error),
      staleTime: 5_000,
      // what the page says of a server that does not answer: it is tried again by itself
      refetchInterval: ({ state: { error, errorUpdateCount } }) =>
        error !== null && !refused(error) && Math.min(ASK_AGAIN_MS * errorUpdateCount, LONGEST_BREAK_MS),
    },
    // a decision in a study is refused at once where there is no network, rather than kept waiting without a word
    mutations: { networkMode: "always" },
  },
});

async function start(): Promise<void> {
  await startI18n();
  const root = document.getElementById("root");
  if (root === null) {
    throw new Error("index.html has no #root");
  }
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        colorSchemeManager={localStorageColorSchemeManager({ key: "inspector.color-scheme" })}
      >
        <QueryClientProvider client={queries}>
          <WhoProvider>
            <OutboxProvider>
              <SignInGate>
                <EventStreamProvider>
                  <SessionProvider>
                    <App />
                  </SessionProvider>
                </EventStreamProvider>
              </SignInGate>
            </OutboxProvider>
          </WhoProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

startServiceWorker();
void start();
