import { NumberInput, SegmentedControl, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { RoiInput } from "../api/types";
import { useServerText } from "../i18n/format";
import { ReasonDialog } from "../reason/ReasonDialog";
import { useRoiWording } from "./wording";

/** Asks for another value, where it comes from, and why. */
export function EditAssumption({ input, onClose }: { input: RoiInput; onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const text = useServerText();
  const words = useRoiWording();
  const [value, setValue] = useState<number | string>(input.assumed_value);
  // While "12.50" is typed it is no number yet.
  const number = value === "" ? Number.NaN : Number(value);
  const [source, setSource] = useState("");
  const [kind, setKind] = useState<"assumed" | "measured">(input.n === null ? input.kind : "assumed");
  return (
    <ReasonDialog
      title={t("roi.editTitle", { name: words.input(input.key) })}
      hint={t("roi.editHint")}
      action={t("roi.editAction")}
      onClose={onClose}
      incomplete={Number.isNaN(number)}
      perform={async ({ reason, person }) => {
        const body = {
          value: number,
          source: source.trim() === "" ? null : source.trim(),
          kind,
          person,
          reason,
        };
        expectData(await api.PUT("/v1/roi/assumptions/{key}", { params: { path: { key: input.key } }, body }));
        await queries.invalidateQueries({ queryKey: ["roi"] });
      }}
    >
      {/* Not clamped: the server says what is wrong with a value, which another in its place would hide. */}
      <NumberInput
        label={t("roi.newValue", { unit: text(input.unit) })}
        value={value}
        clampBehavior="none"
        min={input.least}
        max={input.most}
        onChange={setValue}
      />
      <TextInput
        label={t("roi.newSource")}
        value={source}
        maxLength={500}
        onChange={(event) => setSource(event.currentTarget.value)}
      />
      <SegmentedControl
        aria-label={t("roi.newKind")}
        value={kind}
        onChange={(chosen) => setKind(chosen === "measured" ? "measured" : "assumed")}
        data={[
          { value: "assumed", label: t("roi.assumed") },
          { value: "measured", label: t("roi.measuredKind") },
        ]}
      />
    </ReasonDialog>
  );
}
