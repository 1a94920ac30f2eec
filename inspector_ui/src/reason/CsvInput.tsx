import { Anchor, FileInput, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

export interface Example {
  name: string;
  content: string;
}

interface Props {
  file: File | null;
  onChange: (file: File | null) => void;
  /** With the columns, to start from. */
  example: Example;
  disabled?: boolean;
}

/** A table from this machine. */
export function CsvInput({ file, onChange, example, disabled = false }: Props) {
  const { t } = useTranslation();
  return (
    <div>
      <FileInput
        label={t("csv.file")}
        placeholder={t("csv.choose")}
        accept=".csv,text/csv"
        value={file}
        disabled={disabled}
        clearable
        clearButtonProps={{ "aria-label": t("csv.clear") }}
        styles={{ input: { minHeight: 44 } }}
        onChange={onChange}
      />
      <Text size="sm" mt={4}>
        <Anchor
          underline="always"
          href={`data:text/csv;charset=utf-8,${encodeURIComponent(example.content)}`}
          download={example.name}
        >
          {t("csv.example")}
        </Anchor>
      </Text>
    </div>
  );
}
