import { Alert, Button, Code, List, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { AuditCheck } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Refusal } from "../people/Refusal";
import { QueryView } from "../shell/QueryView";
import { auditCheckQuery, startAuditCheck } from "./auditQueries";

const SHOWN = 10;

/** Whether the chain holds, when that was checked, and a button to check it again. */
export function ChainStatus() {
  const query = useQuery(auditCheckQuery);
  return <QueryView query={query}>{(check) => <Status check={check} />}</QueryView>;
}

function Status({ check }: { check: AuditCheck }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const checking = useMutation({
    mutationFn: startAuditCheck,
    onSuccess: (started) => queries.setQueryData(auditCheckQuery.queryKey, started),
  });
  const state = check.holds === null ? "unknown" : check.holds ? "holds" : "broken";
  const more = check.broken.length - SHOWN + check.unnamed;
  return (
    <Alert
      mb="md"
      role="status"
      data-testid="chain-status"
      color={{ unknown: "gray", holds: "green", broken: "red" }[state]}
      icon={<Icon name={{ unknown: "help", holds: "check", broken: "alert" }[state] as "help"} />}
      title={t(`audit.${state}`)}
    >
      {check.checked_at !== null && check.entries !== null && (
        <Text size="sm">
          {t("audit.checked", {
            count: check.entries,
            n: format.count(check.entries),
            time: format.dateTime(check.checked_at),
          })}
        </Text>
      )}
      {check.head !== null && (
        <Text size="sm">
          {t("audit.head")} <Code style={{ overflowWrap: "anywhere" }}>{check.head}</Code>
        </Text>
      )}
      {check.broken.length > 0 && (
        <List size="sm" my="xs">
          {check.broken.slice(0, SHOWN).map((place) => (
            <List.Item key={`${place.sequence} ${place.what}`}>
              {place.sequence === null ? place.what : t("audit.place", { n: place.sequence, what: place.what })}
            </List.Item>
          ))}
          {more > 0 && <List.Item>{t("audit.morePlaces", { n: format.count(more) })}</List.Item>}
        </List>
      )}
      <Button variant="default" mt="xs" loading={check.running || checking.isPending} onClick={() => checking.mutate()}>
        {t("audit.check")}
      </Button>
      <Refusal error={checking.error} />
    </Alert>
  );
}
