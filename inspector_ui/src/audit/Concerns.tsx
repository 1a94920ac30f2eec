import { Anchor, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";
import type { AuditAction, AuditEntry } from "../api/types";
import { useFormat } from "../i18n/format";
import { usePages } from "../shell/pages";

/** Where more is said about what an entry concerns, by what was done; a part has a page of its own. */
const PAGES: Partial<Record<AuditAction, string>> = {
  PROMOTION: "/models",
  SHADOW: "/models",
  THRESHOLDS: "/settings",
  HOLD: "/settings",
  HOLD_LIFTED: "/settings",
  RETENTION_ASKED: "/settings",
  IMAGES_REMOVED: "/settings",
  ROWS_REMOVED: "/settings",
  ALARM: "/live",
  LINE_HELD: "/live",
  LINE_RELEASED: "/live",
  PERSON_ADDED: "/people",
  PERSON_CHANGED: "/people",
  PASSWORD_RESET: "/people",
  PASSWORD_CHANGED: "/people",
  KEY_ADDED: "/people",
  KEY_REVOKED: "/people",
  HISTORY_IMPORTED: "/before",
  KPIS_IMPORTED: "/roi",
  ASSUMPTION: "/roi",
  ASSUMPTIONS_ADOPTED: "/roi",
  BASELINE: "/before",
  ROLLOUT: "/before",
  CHALLENGE: "/sampling",
  FIELD_RETURNS: "/sampling",
  STUDY: "/quality",
};

/** What an entry is about, in words, with a way there for those who may go; its id is among the details. */
export function Concerns({ entry }: { entry: AuditEntry }) {
  const words = useWords()(entry);
  const pages = usePages();
  const page = PAGES[entry.action];
  const mayGo = pages.some(({ path }) => path === page);
  const { inspection_id, part_id } = entry.concerns;
  const to =
    inspection_id != null
      ? `/history?id=${inspection_id}`
      : part_id != null
        ? `/history?part_id=${encodeURIComponent(part_id)}`
        : mayGo
          ? page
          : undefined;
  return (
    <Text size="sm" miw={120} maw={{ base: 160, md: 310 }} style={{ overflowWrap: "anywhere", wordBreak: "keep-all" }}>
      {to === undefined ? (
        words
      ) : (
        <Anchor component={Link} href={to} inherit>
          {words}
        </Anchor>
      )}
    </Text>
  );
}

function useWords(): (entry: AuditEntry) => ReactNode {
  const { t } = useTranslation();
  const format = useFormat();
  return ({ action, subject, concerns, new: made }) => {
    const counted = (name: string) => Number(made?.[name]);
    const [kind, ...rest] = subject.split(" ");
    if (kind === "person" || kind === "key") {
      return t(kind === "person" ? "audit.aboutPerson" : "audit.aboutKey", { name: rest.join(" ") });
    }
    if (subject === "passed_images" || subject === "flagged_images" || subject === "rows") {
      return t(`settings.rule.${subject}`);
    }
    const { model, part_id, lot, line, station, camera, product, name, first_day, last_day } = concerns;
    switch (action) {
      case "HISTORY_IMPORTED":
      case "KPIS_IMPORTED": {
        const rows = t("audit.rows", { count: counted("rows"), n: format.count(counted("rows")) });
        return first_day == null || last_day == null
          ? rows
          : `${first_day === last_day ? first_day : t("before.span", { first: first_day, last: last_day })} · ${rows}`;
      }
      case "ASSUMPTIONS_ADOPTED":
        return t("audit.numbers", { count: counted("numbers"), n: format.count(counted("numbers")) });
      case "CHALLENGE":
        return t("settings.part", { name: subject });
      case "FIELD_RETURNS":
        return made?.parts === 1
          ? t("settings.part", { name: subject })
          : t("audit.parts", { count: counted("parts"), n: format.count(counted("parts")) });
    }
    if (part_id != null) {
      // where it was seen is told by the page of the part
      const part = t("settings.part", { name: part_id });
      return lot == null ? part : `${part} · ${t("settings.lot", { name: lot })}`;
    }
    const told = [
      model != null && `${model.name} ${model.version}`,
      lot != null && t("settings.lot", { name: lot }),
      product != null && product,
      line != null && t("live.line", { line }),
      station != null && station,
      camera != null && camera,
      name != null &&
        (action === "ASSUMPTION" ? t(`roiInput.${name}` as "roiInput.lines", { defaultValue: name }) : name),
    ].filter((one): one is string => typeof one === "string");
    if (told.length > 0) {
      return told.join(" · ");
    }
    return action in PAGES ? t("audit.aboutAll") : subject;
  };
}
