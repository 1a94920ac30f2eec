import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";
import { unbrokenWords } from "./unbroken";
import { zhHant } from "./zhHant";

export type Language = "en" | "zh-Hant";

const STORED = "inspector.language";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
  }
}

/** Start with the language chosen on this machine, else with the browser's. */
export async function startI18n(): Promise<void> {
  i18next.on("languageChanged", (language) => {
    document.documentElement.lang = language;
  });
  await i18next.use(initReactI18next).init({
    lng: storedLanguage() ?? browserLanguage(),
    fallbackLng: false,
    resources: { en: { translation: unbrokenWords(en) }, "zh-Hant": { translation: unbrokenWords(zhHant) } },
    interpolation: { escapeValue: false },
  });
}

export function chooseLanguage(language: Language): void {
  localStorage.setItem(STORED, language);
  void i18next.changeLanguage(language);
}

function storedLanguage(): Language | null {
  const stored = localStorage.getItem(STORED);
  return stored === "en" || stored === "zh-Hant" ? stored : null;
}

function browserLanguage(): Language {
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-Hant" : "en";
}
