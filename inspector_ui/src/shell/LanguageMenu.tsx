import { ActionIcon, Menu } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { chooseLanguage, type Language } from "../i18n/i18n";
import { Icon } from "../icons/Icon";

const LANGUAGES: { value: Language; word: string }[] = [
  { value: "en", word: "English" },
  { value: "zh-Hant", word: "繁體中文" },
];

export function LanguageMenu() {
  const { t, i18n } = useTranslation();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label={t("header.language")}>
          <Icon name="language" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {LANGUAGES.map(({ value, word }) => (
          <Menu.Item
            key={value}
            h={44}
            lang={value}
            rightSection={i18n.language === value && <Icon name="check" size={16} />}
            onClick={() => chooseLanguage(value)}
          >
            {word}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
