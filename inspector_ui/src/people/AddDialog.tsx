import { Button, NativeSelect, NumberInput, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Role } from "../api/types";
import { Dialog } from "../shell/Dialog";
import { Refusal } from "./Refusal";

export interface Draft {
  name: string;
  role: Role;
  rateLimit: number | null;
}

interface Props {
  title: string;
  roles: readonly Role[];
  /** Keys may be slowed down, people are not. */
  withRate?: boolean;
  error: Error | null;
  pending: boolean;
  onAdd: (draft: Draft) => void;
  onClose: () => void;
}

/** Name and role of a new person or key. */
export function AddDialog({ title, roles, withRate = false, error, pending, onAdd, onClose }: Props) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>(roles[0] ?? "inspector");
  const [rate, setRate] = useState<number | string>("");
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onAdd({ name: name.trim(), role, rateLimit: typeof rate === "number" ? rate : null });
        }}
      >
        <Stack>
          <TextInput
            label={t("people.name")}
            value={name}
            maxLength={128}
            data-autofocus
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <NativeSelect
            label={t("people.role")}
            value={role}
            data={roles.map((each) => ({ value: each, label: t(`role.${each}`) }))}
            onChange={(event) => setRole(event.currentTarget.value as Role)}
          />
          {withRate && (
            <NumberInput
              label={t("people.rateLimit")}
              description={t("people.rateLimitHint")}
              value={rate}
              min={0.1}
              max={10_000}
              size="md"
              onChange={setRate}
            />
          )}
          <Refusal error={error} />
          <Button type="submit" loading={pending} disabled={name.trim() === ""}>
            {t("people.create")}
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
