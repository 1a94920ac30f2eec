import { Alert, Button, Center, Loader, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemError } from "../api/problem";
import { Icon } from "../icons/Icon";
import { Notice } from "./Notice";

interface Props<Data> {
  query: UseQueryResult<Data>;
  children: (data: Data) => ReactNode;
}

/** The states of a read: loading, failed, stale because the server is away, and there. */
export function QueryView<Data>({ query, children }: Props<Data>) {
  const { t } = useTranslation();
  const error = useLastError(query);
  if (query.data !== undefined) {
    return (
      <>
        {query.isError && (
          <Alert color="orange" icon={<Icon name="cloudOff" />} mb="md" role="status">
            {t("state.stale")}
          </Alert>
        )}
        {children(query.data)}
      </>
    );
  }
  if (error !== null) {
    const answered = error instanceof ProblemError;
    return (
      <Notice
        art={<Icon name={answered ? "alert" : "cloudOff"} size={56} />}
        title={t(answered ? "state.failed" : "state.unreachable")}
        hint={answered ? error.message : t("state.unreachableHint")}
      >
        <Button variant="default" mt="sm" onClick={() => void query.refetch()}>
          {t("state.retry")}
        </Button>
      </Notice>
    );
  }
  return (
    <Center mih={280} role="status">
      <Stack align="center" gap="xs">
        <Loader />
        <Text c="dimmed">{t("state.loading")}</Text>
      </Stack>
    </Center>
  );
}

/** Why the read failed, also while it is tried again: neither text nor button may come and go under a person's hand. */
function useLastError({ error, isPending }: UseQueryResult<unknown>): Error | null {
  const [last, setLast] = useState(error);
  if (error !== null && error !== last) {
    setLast(error);
  }
  return error ?? (isPending ? last : null);
}
