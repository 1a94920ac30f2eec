import { Badge, Button, Group, NativeSelect, Paper, Table, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { OneTimePassword, Person, Role } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { QueryView } from "../shell/QueryView";
import { AddDialog, type Draft } from "./AddDialog";
import { peopleQuery } from "./peopleQueries";
import { Refusal } from "./Refusal";
import { personRoles } from "./roles";
import { SecretDialog } from "./SecretDialog";
import { SureButton } from "./SureButton";
import { useChange } from "./useChange";

/** Who may sign in. */
export function PeopleSection() {
  const { t } = useTranslation();
  const query = useQuery(peopleQuery);
  const [adding, setAdding] = useState(false);
  const [shown, setShown] = useState<OneTimePassword | null>(null);
  const show = (issued: OneTimePassword) => {
    setShown(issued);
    setAdding(false);
  };
  const add = useChange(
    async ({ name, role }: Draft) => expectData(await api.POST("/v1/people", { body: { name, role } })),
    show,
  );
  const reset = useChange(
    async (id: string) => expectData(await api.POST("/v1/people/{id}/password", { params: { path: { id } } })),
    show,
  );
  const change = useChange(async ({ id, ...body }: { id: string; role?: Role; disabled?: boolean }) =>
    expectData(await api.PATCH("/v1/people/{id}", { params: { path: { id } }, body })),
  );
  return (
    <Paper p="md" component="section">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t("people.people")}
        </Title>
        <Button leftSection={<Icon name="plus" />} onClick={() => setAdding(true)}>
          {t("people.addPerson")}
        </Button>
      </Group>
      <Refusal error={change.error ?? reset.error} />
      <QueryView query={query}>
        {(people) => (
          <Table.ScrollContainer minWidth={640}>
            <Table verticalSpacing="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("people.name")}</Table.Th>
                  <Table.Th>{t("people.role")}</Table.Th>
                  <Table.Th visibleFrom="md">{t("people.added")}</Table.Th>
                  <Table.Th>{t("people.state")}</Table.Th>
                  <Table.Th />
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {people.map((person) => (
                  <PersonRow
                    key={person.id}
                    person={person}
                    onChange={(changed) => change.mutate({ id: person.id, ...changed })}
                    onReset={() => reset.mutate(person.id)}
                  />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </QueryView>
      {adding && (
        <AddDialog
          title={t("people.addPerson")}
          roles={personRoles}
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
          title={t("people.oneTimeOf", { name: shown.person.name })}
          text={t("people.oneTimeHint")}
          secret={shown.password}
          onClose={() => setShown(null)}
        />
      )}
    </Paper>
  );
}

interface RowProps {
  person: Person;
  onChange: (change: { role?: Role; disabled?: boolean }) => void;
  onReset: () => void;
}

function PersonRow({ person, onChange, onReset }: RowProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const disabled = person.disabled_at !== null;
  return (
    <Table.Tr>
      <Table.Td fw={600} miw={90}>
        {person.name}
      </Table.Td>
      <Table.Td>
        <NativeSelect
          miw={120}
          aria-label={t("people.roleOf", { name: person.name })}
          value={person.role}
          disabled={person.oidc}
          data={personRoles.map((role) => ({ value: role, label: t(`role.${role}`) }))}
          onChange={(event) => onChange({ role: event.currentTarget.value as Role })}
        />
      </Table.Td>
      <Table.Td visibleFrom="md">{format.dateTime(person.created_at)}</Table.Td>
      <Table.Td>
        <Badge size="lg" miw="max-content" tt="none" variant="light" color={disabled ? "red" : "gray"}>
          {t(stateOf(person))}
        </Badge>
      </Table.Td>
      <Table.Td>
        <Group gap={4} justify="end" wrap="nowrap">
          {!person.oidc && !disabled && <SureButton onSure={onReset}>{t("people.reset")}</SureButton>}
          {disabled ? (
            <Button variant="subtle" px="sm" onClick={() => onChange({ disabled: false })}>
              {t("people.enable")}
            </Button>
          ) : (
            <SureButton onSure={() => onChange({ disabled: true })}>{t("people.disable")}</SureButton>
          )}
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}

function stateOf(person: Person) {
  if (person.disabled_at !== null) {
    return "people.disabled";
  }
  if (person.oidc) {
    return "people.byProvider";
  }
  return person.must_change_password ? "people.hasOneTime" : "people.active";
}
