import { Alert } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../api/problem";
import { Icon } from "../icons/Icon";

/** Why a change did not come about, in the server's words. */
export function Refusal({ error }: { error: Error | null }) {
  const { t } = useTranslation();
  return (
    error !== null && (
      <Alert color="red" icon={<Icon name="alert" />} role="alert">
        {error instanceof ProblemError ? <span lang={error.lang}>{error.message}</span> : t("state.unreachable")}
      </Alert>
    )
  );
}
