import { useTranslation } from "react-i18next";
import { en } from "../i18n/en";

type InputKey = keyof typeof en.roiInput;
type LineKey = keyof typeof en.roiLine;

/** Names of the report's rows; a row that this version does not know keeps the server's name. */
export function useRoiWording() {
  const { t } = useTranslation();
  return {
    input: (key: string) => (key in en.roiInput ? t(`roiInput.${key as InputKey}`) : key),
    line: (key: string) => (key in en.roiLine ? t(`roiLine.${key as LineKey}`) : key),
  };
}
