import { Alert, Button, PasswordInput, Stack } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { Icon } from "../icons/Icon";
import { useBecome } from "./useSignIn";
import { retryAfter, useWait } from "./useWait";
import { useWho } from "./WhoProvider";

/** As the server asks for; it has the last word. */
const SHORTEST = 12;

/** Changes one's own password, which ends every other session of the same person. */
export function PasswordForm({ onDone }: { onDone?: () => void }) {
  const { t } = useTranslation();
  const { name } = useWho();
  const become = useBecome();
  const [present, setPresent] = useState("");
  const [chosen, setChosen] = useState("");
  const [repeated, setRepeated] = useState("");
  const [wait, setWait] = useWait();
  const change = useMutation({
    mutationFn: async (): Promise<string | null> => {
      const body = { present, new: chosen };
      const { data, response } = await api.PUT("/v1/session/password", { body });
      if (data !== undefined) {
        onDone?.();
        become(data);
        return null;
      }
      if (response.status === 429) {
        setWait(retryAfter(response));
        return null;
      }
      return t(response.status === 403 ? "password.wrong" : "password.unfit", { n: SHORTEST });
    },
  });
  const differs = repeated !== "" && repeated !== chosen;
  const refusal = change.isError ? t("state.unreachable") : (change.data ?? null);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate();
      }}
    >
      <Stack>
        <input type="text" name="username" autoComplete="username" value={name ?? ""} readOnly hidden />
        <PasswordInput
          label={t("password.present")}
          value={present}
          autoComplete="current-password"
          onChange={(event) => setPresent(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("password.new")}
          description={t("password.rule", { n: SHORTEST })}
          value={chosen}
          autoComplete="new-password"
          onChange={(event) => setChosen(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("password.repeat")}
          value={repeated}
          autoComplete="new-password"
          error={differs ? t("password.differs") : undefined}
          onChange={(event) => setRepeated(event.currentTarget.value)}
        />
        {(wait > 0 || (refusal !== null && !change.isPending)) && (
          <Alert color={wait > 0 ? "orange" : "red"} icon={<Icon name="alert" />} role="alert">
            {wait > 0 ? t("signIn.throttled", { n: wait }) : refusal}
          </Alert>
        )}
        <Button
          type="submit"
          loading={change.isPending}
          disabled={wait > 0 || chosen.length < SHORTEST || repeated !== chosen || present === ""}
        >
          {t("password.save")}
        </Button>
      </Stack>
    </form>
  );
}
