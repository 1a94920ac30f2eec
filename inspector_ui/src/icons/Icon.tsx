const PATHS = {
  alert: "M12 8v5M12 16.5v.01M10.3 3.9 2.4 17.5A2 2 0 0 0 4.1 20.5h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
  book: "M12 6.5C10 5 7 4.5 3.5 4.5v14c3.5 0 6.5.5 8.5 2 2-1.5 5-2 8.5-2v-14c-3.5 0-6.5.5-8.5 2ZM12 6.5v14",
  box: "M5 9V5h4M15 5h4v4M19 15v4h-4M9 19H5v-4M12 9v6M9 12h6",
  chevronDown: "m6 9 6 6 6-6",
  chevronUp: "m6 15 6-6 6 6",
  check: "m5 12.5 4.5 4.5L19 7.5",
  cloudOff:
    "M3 3l18 18M9.5 5.3A6.5 6.5 0 0 1 18 10a4.5 4.5 0 0 1 2.6 7.6M17 19H7a4.5 4.5 0 0 1-.9-8.9 6 6 0 0 1 .6-2.3",
  fit: "M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4",
  heat: "M12 3c1 3.5 5 5.5 5 10a5 5 0 0 1-10 0c0-1.8.8-3 1.8-4 .2 1.6 1 2.4 1.9 2.6C10 8.5 10.5 5.5 12 3Z",
  filter: "M4 5h16l-6.5 8v5l-3 2v-7L4 5Z",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M12 17v.01",
  imageOff: "M3 3l18 18M9 5h10a1 1 0 0 1 1 1v10M4.3 5.3A1 1 0 0 0 4 6v12a1 1 0 0 0 1 1h13M4 16l4.5-4.5 5 5",
  language: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM3.5 9h17M3.5 15h17M12 3c-5 5.5-5 12.5 0 18M12 3c5 5.5 5 12.5 0 18",
  minus: "M5 12h14",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5Z",
  note: "M5 4h14a1 1 0 0 1 1 1v9l-6 6H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1ZM14 20v-5a1 1 0 0 1 1-1h5M8 9h8M8 13h3",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6",
  pixels: "M4.5 9 7 7v10M12 10v.01M12 14.5v.01M17 9l2.5-2v10",
  plus: "M12 5v14M5 12h14",
  region: "M5 5h14v14H5zM9 9h6v6H9z",
  screen: "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1ZM9 21h6M12 17v4",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  eyeOff:
    "M3 3l18 18M10.5 6.2A9.6 9.6 0 0 1 12 6c4.5 0 7.8 3 9 6a11 11 0 0 1-2.7 3.7M6.3 7.6A11 11 0 0 0 3 12c1.2 3 4.5 6 9 6 1.5 0 2.9-.4 4.1-1M9.9 10.1a3 3 0 0 0 4 4",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 12.5h9l1-12.5M10 11v5M14 11v5",
  undo: "M8 5 3.5 9.5 8 14M4 9.5h10a6 6 0 0 1 0 12h-3",
  upload: "M12 16V5M7.5 9.5 12 5l4.5 4.5M4 19h16",
} as const;

export type IconName = keyof typeof PATHS;

/** A 24 x 24 line drawing; always beside a word or inside a labelled button, so it is hidden from screen readers. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      style={{ flex: "none" }}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
