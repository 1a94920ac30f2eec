import { Button, Group, NativeSelect, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { AuditAction } from "../api/types";
import { en } from "../i18n/en";
import { Icon } from "../icons/Icon";
import { periods } from "../quality/period";
import { Notice } from "../shell/Notice";
import { Page } from "../shell/Page";
import { QueryView } from "../shell/QueryView";
import { AuditTable } from "./AuditTable";
import { type AuditFilters, auditQuery } from "./auditQueries";
import { ChainStatus } from "./ChainStatus";

const ACTIONS = Object.keys(en.auditAction) as AuditAction[];
const TYPING_MS = 300;
const NO_FILTERS: AuditFilters = { action: null, person: "", subject: "", period: null };

/** Who changed what, when and why, and whether that record still stands as it was written. */
export default function AuditPage() {
  const { t } = useTranslation();
  const [filters, setFilters] = useState(NO_FILTERS);
  // The cursors of the pages before this one; the first page has none.
  const [cursors, setCursors] = useState<string[]>([]);
  const [settled] = useDebouncedValue(filters, TYPING_MS);
  const query = useQuery(auditQuery(settled, cursors.at(-1) ?? null));
  const change = (changed: Partial<AuditFilters>) => {
    setFilters({ ...filters, ...changed });
    setCursors([]);
  };
  return (
    <Page
      title={t("audit.title")}
      controls={
        <>
          <NativeSelect
            aria-label={t("audit.action")}
            value={filters.action ?? ""}
            onChange={({ currentTarget: { value } }) =>
              change({ action: ACTIONS.find((each) => each === value) ?? null })
            }
            data={[
              { value: "", label: t("audit.allActions") },
              ...ACTIONS.map((action) => ({ value: action, label: t(`auditAction.${action}`) })),
            ]}
          />
          <TextInput
            aria-label={t("audit.person")}
            placeholder={t("audit.person")}
            value={filters.person}
            maxLength={128}
            onChange={({ currentTarget: { value } }) => change({ person: value })}
          />
          <TextInput
            aria-label={t("audit.subject")}
            placeholder={t("audit.subject")}
            value={filters.subject}
            maxLength={200}
            onChange={({ currentTarget: { value } }) => change({ subject: value })}
          />
          <NativeSelect
            aria-label={t("quality.period")}
            value={filters.period?.name ?? ""}
            onChange={({ currentTarget: { value } }) =>
              change({ period: periods.find(({ name }) => name === value) ?? null })
            }
            data={[
              { value: "", label: t("audit.allTime") },
              ...periods.map(({ name }) => ({ value: name, label: t(`quality.${name}`) })),
            ]}
          />
        </>
      }
    >
      <ChainStatus />
      <QueryView query={query}>
        {({ items, next_cursor: next }) =>
          items.length === 0 ? (
            <Notice art={<Icon name="note" size={64} />} title={t("audit.empty")} hint={t("audit.emptyHint")} />
          ) : (
            <>
              <AuditTable entries={items} />
              <Group justify="center" my="md">
                <Button
                  variant="default"
                  disabled={cursors.length === 0}
                  onClick={() => setCursors(cursors.slice(0, -1))}
                >
                  {t("audit.newer")}
                </Button>
                <Button
                  variant="default"
                  disabled={next === null}
                  onClick={() => next !== null && setCursors([...cursors, next])}
                >
                  {t("audit.older")}
                </Button>
              </Group>
            </>
          )
        }
      </QueryView>
    </Page>
  );
}
