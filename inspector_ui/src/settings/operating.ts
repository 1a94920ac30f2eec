import type { Guarantee, OperatingCurve, Thresholds } from "../api/types";

/** What held-out images say of two thresholds; shares in 0..1. */
export interface Figures {
  /** Of the defective parts: passed. */
  escapes: number;
  /** 95 % Wilson interval of it. */
  escapesLow: number;
  escapesHigh: number;
  /** Of the good parts: not passed. */
  overkill: number;
  /** Of the good parts: rejected with no person looking. */
  rejectedUnseen: number;
  /** Of all parts: looked at by a person, at the given share of defective ones. */
  reviews: number;
}

const Z = 1.959964;

/** Exact at the curve's points; between two the one that looks worse, as the server counts. */
export function figuresAt(curve: OperatingCurve, thresholds: Thresholds, defectRate: number): Figures {
  const { defects_below, goods_below } = curve;
  const defects = last(defects_below);
  const goods = last(goods_below);
  const { pass_below, reject_from } = thresholds;
  const escaped = most(curve, defects_below, pass_below);
  const passed = least(curve, goods_below, pass_below);
  const reviewedDefects = most(curve, defects_below, reject_from) - least(curve, defects_below, pass_below);
  const reviewedGoods = most(curve, goods_below, reject_from) - passed;
  const [escapesLow, escapesHigh] = wilson(escaped, defects);
  return {
    escapes: escaped / defects,
    escapesLow,
    escapesHigh,
    overkill: 1 - passed / goods,
    rejectedUnseen: 1 - least(curve, goods_below, reject_from) / goods,
    reviews: (defectRate * reviewedDefects) / defects + ((1 - defectRate) * reviewedGoods) / goods,
  };
}

/** The promise, counted anew at other thresholds; null where nothing tells. */
export function guaranteeAt(
  curve: OperatingCurve | null,
  promised: Guarantee,
  own: Thresholds,
  thresholds: Thresholds,
): Guarantee | null {
  if (curve === null) {
    const narrower = thresholds.pass_below <= own.pass_below && thresholds.reject_from >= own.reject_from;
    return narrower ? { ...promised, bill: null } : null;
  }
  const counted = (counts: number[]) => most(curve, counts, thresholds.pass_below);
  return {
    escape: { ...promised.escape, observed: counted(curve.defects_below) },
    reject_good: {
      ...promised.reject_good,
      observed: last(curve.goods_below) - least(curve, curve.goods_below, thresholds.reject_from),
    },
    classes: (promised.classes ?? []).flatMap((bound) => {
      const counts = curve.classes_below?.[bound.of_class ?? ""];
      return counts === undefined ? [] : [{ ...bound, observed: counted(counts) }];
    }),
    bill: null,
  };
}

export function holds(guarantee: Guarantee): boolean {
  return [guarantee.escape, guarantee.reject_good].every(
    ({ allowed, observed }) => allowed !== null && observed <= allowed,
  );
}

/** The place of the first point that is not below `threshold`; the last one for thresholds beyond all. */
export function placeOf(curve: OperatingCurve, threshold: number): number {
  const found = curve.points.findIndex((point) => point >= threshold);
  return found < 0 ? curve.points.length - 1 : found;
}

function most(curve: OperatingCurve, counts: number[], threshold: number): number {
  return counts[placeOf(curve, threshold)] ?? 0;
}

function least(curve: OperatingCurve, counts: number[], threshold: number): number {
  return counts[curve.points.findLastIndex((point) => point <= threshold)] ?? 0;
}

function last(counts: number[]): number {
  return counts.at(-1) ?? 0;
}

function wilson(count: number, n: number): [number, number] {
  if (n === 0) {
    return [0, 1];
  }
  const share = count / n;
  const centre = (share + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n);
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
