import { Alert, Button, Center, Loader, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
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
  if (query.isError) {
    const answered = query.error instanceof ProblemError;
    return (
      <Notice
        art={<Icon name={answered ? "alert" : "cloudOff"} size={56} />}
        title={t(answered ? "state.failed" : "state.unreachable")}
        hint={answered ? query.error.message : t("state.unreachableHint")}
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
