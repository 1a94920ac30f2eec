import { Alert, Button, Divider, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { problemDetail } from "../api/problem";
import { Icon } from "../icons/Icon";
import { useOutboxEntries } from "../outbox/OutboxProvider";
import { Entrance } from "./Entrance";
import { useBecome } from "./useSignIn";
import { retryAfter, useWait } from "./useWait";
import { useWho } from "./WhoProvider";

/** Name and password; the page behind it comes back afterwards. */
export function SignInPage() {
  const { t } = useTranslation();
  const { oidc } = useWho();
  const become = useBecome();
  const unsent = useOutboxEntries().filter((entry) => entry.refusal === null);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [wait, setWait] = useWait();
  const [refusedByProvider] = useState(() => new URLSearchParams(window.location.search).get("refused") === "oidc");
  const signIn = useMutation({
    mutationFn: async (): Promise<string | null> => {
      const { data, error, response } = await api.POST("/v1/session", { body: { name, password } });
      if (data !== undefined) {
        become(data);
        return null;
      }
      if (response.status === 429) {
        setWait(retryAfter(response));
        return null;
      }
      return response.status === 401 ? t("signIn.wrong") : problemDetail(response.status, error);
    },
  });
  const refusal = signIn.isError ? t("state.unreachable") : (signIn.data ?? null);
  return (
    <Entrance title={t("signIn.title")}>
      {unsent.length > 0 && (
        <Alert color="orange" icon={<Icon name="upload" />} role="status">
          {t("signIn.unsent", {
            count: unsent.length,
            n: unsent.length,
            names: [...new Set(unsent.map(({ request }) => request.reviewer))].join(", "),
          })}
        </Alert>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate();
        }}
      >
        <Stack>
          <TextInput
            label={t("signIn.name")}
            value={name}
            maxLength={128}
            autoComplete="username"
            autoFocus
            required
            withAsterisk={false}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <PasswordInput
            label={t("signIn.password")}
            value={password}
            autoComplete="current-password"
            required
            withAsterisk={false}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {wait > 0 ? (
            <Alert color="orange" icon={<Icon name="alert" />} role="alert">
              {t("signIn.throttled", { n: wait })}
            </Alert>
          ) : (
            refusal !== null &&
            !signIn.isPending && (
              <Alert color="red" icon={<Icon name="alert" />} role="alert">
                {refusal}
              </Alert>
            )
          )}
          <Button type="submit" loading={signIn.isPending} disabled={wait > 0 || name === "" || password === ""}>
            {t("signIn.submit")}
          </Button>
        </Stack>
      </form>
      {oidc && (
        <>
          <Divider label={t("signIn.or")} />
          {refusedByProvider && <Text c="var(--verdict-reject-text)">{t("signIn.refusedByProvider")}</Text>}
          <Button
            variant="default"
            component="a"
            href={`/v1/session/oidc?page=${encodeURIComponent(window.location.pathname)}`}
          >
            {t("signIn.oidc")}
          </Button>
        </>
      )}
    </Entrance>
  );
}
