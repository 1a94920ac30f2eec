import { Badge, Button, Group, Paper, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { Key, NewKey } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { QueryView } from "../shell/QueryView";
import { AddDialog, type Draft } from "./AddDialog";
import { keysQuery } from "./peopleQueries";
import { Refusal } from "./Refusal";
import { roles } from "./roles";
import { SecretDialog } from "./SecretDialog";
import { SureButton } from "./SureButton";
import { useChange } from "./useChange";

/** The keys of cameras and other programs. */
export function KeysSection() {
  const { t } = useTranslation();
  const query = useQuery(keysQuery);
  const [adding, setAdding] = useState(false);
  const [shown, setShown] = useState<NewKey | null>(null);
  const add = useChange(
    async ({ name, role, rateLimit }: Draft) =>
      expectData(await api.POST("/v1/keys", { body: { name, role, rate_limit: rateLimit } })),
    (issued) => {
      setShown(issued);
      setAdding(false);
    },
  );
  const revoke = useChange(async (id: string) =>
    expectData(await api.DELETE("/v1/keys/{id}", { params: { path: { id } } })),
  );
  return (
    <Paper p="md" component="section">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t("people.keys")}
        </Title>
        <Button leftSection={<Icon name="plus" />} onClick={() => setAdding(true)}>
          {t("people.addKey")}
        </Button>
      </Group>
      <Refusal error={revoke.error} />
      <QueryView query={query}>
        {(keys) =>
          keys.length === 0 ? (
            <Text c="dimmed">{t("people.noKeys")}</Text>
          ) : (
            <Table.ScrollContainer minWidth={640}>
              <Table verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("people.name")}</Table.Th>
                    <Table.Th>{t("people.role")}</Table.Th>
                    <Table.Th>{t("people.rateLimit")}</Table.Th>
                    <Table.Th>{t("people.added")}</Table.Th>
                    <Table.Th>{t("people.lastUsed")}</Table.Th>
                    <Table.Th />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {keys.map((key) => (
                    <KeyRow key={key.id} item={key} onRevoke={() => revoke.mutate(key.id)} />
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </QueryView>
      {adding && (
        <AddDialog
          title={t("people.addKey")}
          roles={roles}
          withRate
          error={add.error}
          pending={add.isPending}
          onAdd={add.mutate}
          onClose={() => {
            setAdding(false);
            add.reset();
          }}
        />
      )}
      {shown !== null && (
        <SecretDialog
          title={t("people.secretOf", { name: shown.key.name })}
          text={t("people.secretHint")}
          secret={shown.secret}
          onClose={() => setShown(null)}
        />
      )}
    </Paper>
  );
}

function KeyRow({ item, onRevoke }: { item: Key; onRevoke: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Table.Tr>
      <Table.Td fw={600}>{item.name}</Table.Td>
      <Table.Td>{t(`role.${item.role}`)}</Table.Td>
      <Table.Td>{item.rate_limit === null ? "–" : format.number(item.rate_limit, 1)}</Table.Td>
      <Table.Td>{format.dateTime(item.created_at)}</Table.Td>
      <Table.Td>{item.last_used_at === null ? "–" : format.dateTime(item.last_used_at)}</Table.Td>
      <Table.Td ta="right">
        {item.revoked_at === null ? (
          <SureButton onSure={onRevoke}>{t("people.revoke")}</SureButton>
        ) : (
          <Badge size="lg" tt="none" variant="light" color="red">
            {t("people.revoked")}
          </Badge>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
