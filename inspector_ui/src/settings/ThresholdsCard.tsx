import { Alert, Badge, Button, Group, NumberInput, Paper, RangeSlider, SimpleGrid, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { expectData } from "../api/problem";
import type { Thresholds, ThresholdsHere } from "../api/types";
import { useFormat } from "../i18n/format";
import { Icon } from "../icons/Icon";
import { Promises } from "../models/Promises";
import { ReasonDialog } from "../reason/ReasonDialog";
import { useMay } from "../who/WhoProvider";
import { OperatingChart } from "./OperatingChart";
import { figuresAt, guaranteeAt, holds, placeOf } from "./operating";
import { thresholdsQuery } from "./settingsQueries";
import { ThresholdHistory } from "./ThresholdHistory";

/** The thresholds in force, what others would do before they are saved, and every change so far. */
export function ThresholdsCard({ here }: { here: ThresholdsHere }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const mayChange = useMay("models");
  const mayWaive = useMay("waive");
  const { in_force, own, curve, promised, model, recipe } = here;
  const [draft, setDraft] = useState<Thresholds | null>(null);
  const [saving, setSaving] = useState(false);
  const given = promised.bill?.defect_rate_given === true;
  const [percent, setPercent] = useState<number | string>(100 * (promised.bill?.defect_rate ?? 0.01));
  const defectRate = (typeof percent === "number" ? percent : 1) / 100;
  const chosen = draft ?? in_force;
  const changed = chosen.pass_below !== in_force.pass_below || chosen.reject_from !== in_force.reject_from;
  const guarantee = guaranteeAt(curve, promised, own, chosen);
  const covered = guarantee !== null && holds(guarantee);
  const limit = (value: number) => (value > 1 ? t("settings.never") : format.number(value, 4));
  const pair = ({ pass_below, reject_from }: Thresholds) =>
    t("settings.pair", { pass: limit(pass_below), reject: limit(reject_from) });

  return (
    <Paper p="md" component="section" data-testid="thresholds">
      <Group gap="xs">
        <Title order={2} size="h4">
          {recipe === null
            ? t("settings.thresholds")
            : t("settings.thresholdsOf", { product: recipe.product, station: recipe.station })}
        </Title>
        <Badge tt="none" variant="light">
          {model.name} {model.version}
        </Badge>
      </Group>
      <Text size="sm" c="dimmed">
        {t(recipe === null ? "settings.thresholdsHint" : "settings.recipeHint")}
      </Text>
      <Text mt="xs" data-testid="in-force">
        {format.sentences(
          t(in_force.change === null ? "settings.ownInForce" : "settings.changeInForce", {
            pair: pair(in_force),
            n: in_force.change ?? 0,
          }),
          t(in_force.guaranteed ? "settings.guaranteed" : "settings.notGuaranteed"),
        )}
      </Text>
      {curve === null ? (
        <>
          <Alert mt="sm" color="orange" icon={<Icon name="alert" />}>
            {t("settings.noCurve")}
          </Alert>
          <SimpleGrid cols={{ base: 1, xs: 2 }} mt="sm">
            {(["pass_below", "reject_from"] as const).map((name) => (
              <NumberInput
                key={name}
                label={t(name === "pass_below" ? "settings.passBelow" : "settings.rejectFrom")}
                value={chosen[name]}
                clampBehavior="none"
                min={0}
                max={name === "pass_below" ? 1 : 2}
                step={0.01}
                disabled={!mayChange}
                onChange={(value) => typeof value === "number" && setDraft({ ...chosen, [name]: value })}
              />
            ))}
          </SimpleGrid>
        </>
      ) : (
        <>
          <Figures {...{ curve, chosen, inForce: in_force, defectRate, changed }} />
          <Group justify="space-between" mt="md" gap="xs">
            <Text fw={600}>{t("settings.passAt", { at: limit(chosen.pass_below) })}</Text>
            <Text fw={600}>{t("settings.rejectAt", { at: limit(chosen.reject_from) })}</Text>
          </Group>
          <RangeSlider
            my="sm"
            size="xl"
            thumbSize={32}
            min={0}
            max={curve.points.length - 1}
            minRange={0}
            label={null}
            disabled={!mayChange}
            value={[placeOf(curve, chosen.pass_below), placeOf(curve, chosen.reject_from)]}
            thumbFromLabel={t("settings.passBelow")}
            thumbToLabel={t("settings.rejectFrom")}
            onChange={([pass, reject]) =>
              setDraft({ pass_below: Math.min(curve.points[pass] ?? 0, 1), reject_from: curve.points[reject] ?? 1 })
            }
          />
          <Text size="sm" c="dimmed">
            {t("settings.sliderHint", { n: format.count(curve.points.length) })}
          </Text>
          <OperatingChart curve={curve} chosen={chosen} inForce={in_force} defectRate={defectRate} />
          <NumberInput
            mt="sm"
            maw={420}
            label={t("settings.defectRate")}
            description={t(given ? "settings.rateGiven" : "settings.rateHeldOut")}
            value={percent}
            min={0.001}
            max={99}
            decimalScale={3}
            suffix=" %"
            onChange={setPercent}
          />
        </>
      )}
      <Group gap={8} mt="md" wrap="nowrap" aria-live="polite" data-testid="covered">
        <Icon name={covered ? "check" : "alert"} size={20} />
        <Text fw={700}>{t(covered ? "settings.guaranteed" : "settings.notGuaranteed")}</Text>
      </Group>
      {guarantee === null ? <Text size="sm">{t("settings.nothingTells")}</Text> : <Promises guarantee={guarantee} />}
      {mayChange && (
        <Group mt="md">
          <Button disabled={!changed} onClick={() => setSaving(true)}>
            {t("settings.save")}
          </Button>
          <Button variant="default" disabled={draft === null} onClick={() => setDraft(null)}>
            {t("settings.asInForce")}
          </Button>
          <Button
            variant="default"
            disabled={chosen.pass_below === own.pass_below && chosen.reject_from === own.reject_from}
            onClick={() => setDraft(own)}
          >
            {t("settings.asOwn")}
          </Button>
        </Group>
      )}
      <ThresholdHistory
        changes={here.changes}
        pair={pair}
        onBack={
          mayChange
            ? (thresholds) => {
                setDraft(thresholds);
                setSaving(true);
              }
            : undefined
        }
      />
      {saving && (
        <ReasonDialog
          title={t("settings.saveTitle", { pair: pair(chosen) })}
          hint={t(covered ? "settings.saveHint" : "settings.saveHintUncovered")}
          action={t("settings.save")}
          mayForce={mayWaive}
          onClose={() => setSaving(false)}
          perform={async ({ reason, person, force }) => {
            const body = {
              pass_below: chosen.pass_below,
              reject_from: chosen.reject_from,
              model,
              recipe,
              person,
              reason,
              without_guarantee: force,
            };
            expectData(await api.POST("/v1/thresholds", { body }));
            await queries.invalidateQueries({ queryKey: thresholdsQuery.queryKey });
            setDraft(null);
          }}
        />
      )}
    </Paper>
  );
}

interface FiguresProps {
  curve: NonNullable<ThresholdsHere["curve"]>;
  chosen: Thresholds;
  inForce: Thresholds;
  defectRate: number;
  changed: boolean;
}

function Figures({ curve, chosen, inForce, defectRate, changed }: FiguresProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = figuresAt(curve, inForce, defectRate);
  const then = figuresAt(curve, chosen, defectRate);
  const tiles = [
    {
      key: "escapes",
      label: t("settings.escapes"),
      hint: t("settings.interval", { low: format.percent(then.escapesLow), high: format.percent(then.escapesHigh) }),
    },
    { key: "overkill", label: t("settings.overkill"), hint: null },
    { key: "reviews", label: t("settings.reviews"), hint: null },
    { key: "rejectedUnseen", label: t("settings.rejectedUnseen"), hint: null },
  ] as const;
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} mt="md" aria-live="polite">
      {tiles.map(({ key, label, hint }) => (
        <div key={key} data-testid={`predicted-${key}`}>
          <Text fz={30} fw={700} lh={1.2}>
            {format.percent(then[key], 2)}
          </Text>
          <Text size="sm" lh={1.3}>
            {label}
          </Text>
          <Text size="sm" c="dimmed" lh={1.3}>
            {[hint, changed && t("settings.now", { value: format.percent(now[key], 2) })].filter(Boolean).join(" · ")}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  );
}
