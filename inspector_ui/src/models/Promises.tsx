import { List } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Guarantee } from "../api/types";
import { useFormat } from "../i18n/format";

type Bound = Guarantee["escape"];

/** What a model's thresholds promise, a sentence for each bound, and what to expect of the line. */
export function Promises({ guarantee }: { guarantee: Guarantee }) {
  const { t } = useTranslation();
  const format = useFormat();
  const bounds: [string, Bound][] = [
    [t("promise.escape"), guarantee.escape],
    [t("promise.rejectGood"), guarantee.reject_good],
    ...(guarantee.classes ?? []).map((bound): [string, Bound] => [
      t("promise.ofClass", { name: bound.of_class ?? "" }),
      bound,
    ]),
  ];
  const { bill } = guarantee;
  return (
    <List spacing={4} size="sm">
      {bounds.map(([what, bound]) => (
        <List.Item key={what}>
          {t(kindOf(bound), {
            what,
            limit: format.percent(bound.limit),
            confidence: format.percent(1 - bound.delta),
            heldOut: t(`promise.heldOut.${bound.counted}`, { count: bound.n, n: format.count(bound.n) }),
            observed: format.count(bound.observed),
            allowed: format.count(bound.allowed ?? 0),
            needed: format.count(bound.needed),
          })}
        </List.Item>
      ))}
      {bill && (
        <List.Item>
          {t(bill.defect_rate_given ? "promise.bill" : "promise.billOfHeldOut", {
            rate: format.percent(bill.defect_rate),
            escapes: format.number(bill.escapes, 1),
            overkill: format.number(bill.overkill, 1),
            unseen: format.number(bill.good_rejected, 1),
            reviews: format.number(bill.reviews, 1),
          })}
          {typeof bill.money === "number" &&
            bill.currency &&
            t("promise.money", { money: format.money(bill.money, bill.currency) })}
        </List.Item>
      )}
    </List>
  );
}

function kindOf(bound: Bound): "promise.holds" | "promise.impossible" | "promise.broken" {
  if (bound.allowed === null) {
    return "promise.impossible";
  }
  return bound.observed <= bound.allowed ? "promise.holds" : "promise.broken";
}
