import { Group, Slider } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { actualSize } from "../actions/actualSize";
import { drawBoxes } from "../actions/drawBoxes";
import { fit } from "../actions/fit";
import type { ReviewContext } from "../actions/reviewContext";
import { toggleHeat } from "../actions/toggleHeat";
import { toggleRegions } from "../actions/toggleRegions";
import { zoomIn } from "../actions/zoomIn";
import { zoomOut } from "../actions/zoomOut";
import { ActionButton } from "./ActionButton";
import { ActionIconButton } from "./ActionIconButton";
import classes from "./LookBar.module.css";

interface Props {
  context: ReviewContext;
  heat: boolean;
  regions: boolean;
  drawing: boolean;
  heatOpacity: number;
  onHeatOpacity: (opacity: number) => void;
}

/** How the image is looked at. */
export function LookBar({ context, heat, regions, drawing, heatOpacity, onHeatOpacity }: Props) {
  const { t } = useTranslation();
  return (
    <div className={classes.bar}>
      <ActionButton action={toggleHeat} context={context} icon="heat" pressed={heat && context.hasHeat} />
      {heat && context.hasHeat && (
        <Slider
          className={classes.slider}
          min={0.1}
          max={1}
          step={0.05}
          label={null}
          value={heatOpacity}
          onChange={onHeatOpacity}
          thumbLabel={t("review.heatOpacity")}
          size="lg"
        />
      )}
      <ActionButton action={toggleRegions} context={context} icon="region" pressed={regions && context.hasRegions} />
      <ActionButton action={drawBoxes} context={context} icon="box" pressed={drawing} />
      <Group gap={0} ml="auto" wrap="nowrap">
        <ActionIconButton action={zoomOut} context={context} icon="minus" />
        <ActionIconButton action={zoomIn} context={context} icon="plus" />
        <ActionIconButton action={fit} context={context} icon="fit" />
        <ActionIconButton action={actualSize} context={context} icon="pixels" />
      </Group>
    </div>
  );
}
